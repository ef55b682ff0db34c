/**
 * What the hub says of its callers to themselves, and what it shows them; `gclient auth` as a shell
 * sees it.
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
import { Process, source } from "./support/process.ts";
import { callOnce } from "./support/typed_client.ts";
import { until } from "./support/until.ts";

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

Deno.test("gclient auth says who somebody is, and what it may call", async (t) => {
  await using world = await AuthWorld.start();
  for (const who of OPERATORS) {
    await Deno.writeTextFile(`${world.dir}/${who}.token`, world.token(who), { mode: 0o600 });
  }
  const auth = (who: string, ...args: string[]) =>
    Process.run([
      ...source("client/main.ts"),
      ...["auth", ...args, "-s", world.hub.callAddress],
      ...["--token-file", `${world.dir}/${who}.token`],
    ]);
  await t.step("whoami", async () => {
    const { code, stdout, stderr } = await auth("prod", "whoami", "-o", "table");
    assert.deepEqual([code, stderr], [0, ""]);
    assert.equal(stdout, "operator  prod\nmay call  what its rules allow\n");
    assert.equal((await auth("soc", "whoami")).stdout, '{"operator":"soc"}\n');
  });
  const [STOP, GET, UNARY] = [
    "fluentd.v1.Fluentd/Stop",
    "fluentd.v1.Fluentd/GetStatus",
    "echo.v1.Echo/Unary",
  ];
  const permitted = /^yes: An allow rule permits it, and no deny rule forbids it\n$/;
  const table: [who: string, method: string, server: string, code: number, says: RegExp][] = [
    ["reader", GET, "edge-1", 0, permitted],
    ["reader", `/${GET}`, "edge-2", 0, permitted],
    ["reader", UNARY, "edge-1", 3, /^no: "reader" may not call .*: no allow rule permits it\n$/],
    ["reader", "*", "edge-1", 3, /^no: .* raw connection .*: no allow rule permits it \(/],
    ["reader", GET, "lab-1", 3, /^no: .* "lab-1", whether it exists or not\n$/],
    ["reader", GET, GHOST, 3, /^no: .* "ghosts", whether it exists or not\n$/],
    ["stopper", STOP, "edge-1", 3, /^no: "stopper" may not call .*: a deny rule forbids it\n$/],
    ["stopper", STOP, "edge-1/payments", 3, /: a deny rule forbids it\n$/],
    ["stopper", "*", "edge-1", 3, /^no: .* raw connection .*: a deny rule forbids it \(/],
    ["stopper", "*", "edge-2", 0, permitted],
  ];
  for (const [who, method, server, expected, says] of table) {
    await t.step(`${who} ${method} ${server}`, async () => {
      const { code, stdout, stderr } = await auth(who, "can-i", method, server, "-o", "table");
      assert.deepEqual([code, stderr], [expected, ""]);
      assert.match(stdout, says);
    });
  }
  await t.step("in other formats", async () => {
    const no = await auth("reader", "can-i", UNARY, "edge-1", "-o", "yaml");
    assert.equal(no.code, 3);
    assert.match(no.stdout, /^---\nreason: .*no allow rule permits it'\n$/);
    const yes = await auth("reader", "can-i", GET, "edge-1");
    assert.equal(JSON.parse(yes.stdout).allowed, true);
    const quiet = await auth("reader", "can-i", UNARY, "edge-1", "-q");
    assert.deepEqual([quiet.code, quiet.stdout, quiet.stderr], [3, "", ""]);
  });
  await t.step("what is no method, or no server, is no answer", async () => {
    for (const method of ["Start", "fluentd.v1.Fluentd", "//a.B/C", "a.B/C?x", ""]) {
      const { code, stderr } = await auth("reader", "can-i", method, "edge-1");
      assert.equal(code, 2, method);
      assert.match(stderr, /is not a method\nhint: Write package\.Service\/Method/);
    }
    assert.equal((await auth("reader", "can-i", GET, "Edge 1")).code, 67);
  });
  await t.step("a wrong credential is not a no", async () => {
    await Deno.writeTextFile(`${world.dir}/wrong.token`, "w".repeat(43), { mode: 0o600 });
    assert.equal((await auth("wrong", "can-i", GET, "edge-1")).code, 80);
  });
  await t.step("completion knows methods, and the servers that the caller may see", async () => {
    const complete = (...words: string[]) =>
      Process.run([...source("client/main.ts"), "__complete", "auth", "can-i", ...words], {
        env: {
          GCLIENT_SERVER_ADDR: world.hub.callAddress,
          GCLIENT_TOKEN_FILE: `${world.dir}/reader.token`,
        },
      });
    assert.match(
      (await complete("fluentd.v1.Fluentd/Re")).stdout,
      /^fluentd\.v1\.Fluentd\/Restart$/m,
    );
    // A second is all that it may take: on a busy machine that may be over before.
    await until(
      "the servers",
      async () => (await complete(STOP, "")).stdout === "edge-1\nedge-2\n",
    );
  });
});
