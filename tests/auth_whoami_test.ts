/**
 * What the hub says of its callers to themselves, and what it shows them.
 *
 * @module
 */
import assert from "node:assert/strict";
import type {
  ghub_v1_CanIResponse as CanIResponse,
  ghub_v1_ListServersResponse as ListServersResponse,
  ghub_v1_WhoAmIResponse as WhoAmIResponse,
} from "../shared/gen/types.ts";
import { Status } from "../shared/grpc/status.ts";
import {
  AuthWorld,
  GHOST,
  METHODS,
  OPERATORS,
  type Server,
  SERVERS,
} from "./support/auth_world.ts";
import { bareCall, callFields } from "./support/bare_call.ts";
import { shakeHands } from "./support/raw_path.ts";
import { callOnce } from "./support/typed_client.ts";

/** Which servers each operator may see, by hand from the table in `auth_world.ts`. */
const SEES: Record<typeof OPERATORS[number], readonly Server[]> = {
  root: Object.keys(SERVERS) as Server[],
  stopper: Object.keys(SERVERS) as Server[],
  reader: ["edge-1", "edge-2"],
  prod: ["edge-1", "edge-1/payments", "secret"],
  lab: ["lab-1"],
  idle: [],
  soc: ["edge-2"],
};

Deno.test("CanI says what a call would find out, for each operator, server and method", async (t) => {
  await using world = await AuthWorld.start();
  const { callAddress } = world.hub;
  for (const who of OPERATORS) {
    const authorization = `Bearer ${world.token(who)}`;
    const canI = async (server: string, method: string) => {
      const { response } = await callOnce<CanIResponse>(
        callAddress,
        ["ghub.v1.Hub", "CanI"],
        { server, method },
        { metadata: { authorization } },
      );
      return response;
    };
    for (const server of Object.keys(SERVERS)) {
      await t.step(`${who} ${server}`, async () => {
        for (const method of METHODS) {
          const more: [string, string][] = [["x-hub-server", server], [
            "authorization",
            authorization,
          ]];
          const { status, message } = await bareCall(
            callAddress,
            callFields({ path: method, more }),
          );
          const said = await canI(server, method);
          assert.equal(said?.allowed ?? false, status === Status.OK, `${method}: ${message}`);
          if (status !== Status.OK) assert.equal(said?.reason, message);
        }
        const raw = await shakeHands(callAddress, { server, token: world.token(who) });
        raw.socket.destroy();
        assert.equal((await canI(server, ""))?.allowed ?? false, raw.answer.ok);
      });
    }
  }
  await t.step("it tells nothing of a server that its caller may not see", async () => {
    const ask = async (server: string) =>
      (await callOnce<CanIResponse>(callAddress, ["ghub.v1.Hub", "CanI"], { server }, {
        metadata: { authorization: `Bearer ${world.token("lab")}` },
      })).response?.reason?.replace(server, "NAME");
    assert.equal(await ask("secret"), await ask(GHOST));
  });
});

Deno.test("WhoAmI and ListServers know their caller, whoever it says that it is", async (t) => {
  await using world = await AuthWorld.start();
  for (const who of OPERATORS) {
    await t.step(who, async () => {
      const metadata = {
        authorization: `Bearer ${world.token(who)}`,
        "x-hub-operator": "root",
      };
      const whoAmI = await callOnce<WhoAmIResponse>(
        world.hub.callAddress,
        ["ghub.v1.Hub", "WhoAmI"],
        {},
        { metadata },
      );
      assert.equal(whoAmI.response?.operator, who);
      const list = await callOnce<ListServersResponse>(
        world.hub.callAddress,
        ["ghub.v1.Hub", "ListServers"],
        {},
        { metadata },
      );
      assert.deepEqual(list.response?.servers?.map(({ name }) => name) ?? [], SEES[who].toSorted());
    });
  }
});
