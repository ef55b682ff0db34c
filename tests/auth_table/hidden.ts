/**
 * What answers tell of names that their caller may not see: the same as of names that there are
 * not.
 *
 * @module
 */
import assert from "node:assert/strict";
import type net from "node:net";
import { Status } from "../../shared/grpc/status.ts";
import type { AuthTable } from "../support/auth_table.ts";
import { GET, GHOST, SERVERS } from "../support/auth_world.ts";
import type { BareField } from "../support/bare_call.ts";
import { drop } from "../support/path.ts";
import { connectTo, shakeHands } from "../support/raw_path.ts";

/** The name itself stands in answers, and each failed call has an id; the rest must be the same. */
function blind(text: string): string {
  return text.replaceAll("secret", "NAME").replaceAll(GHOST, "NAME")
    .replace(/("x-hub-call-id",")[^"]+/, "$1ID");
}

export async function hidden(t: Deno.TestContext, table: AuthTable): Promise<void> {
  const { callAddress } = table.world;
  const ask = async (server: string, more: BareField[] = []) => {
    const { text } = await table.call(GET, [
      ["x-hub-server", server],
      table.bearer("lab"),
      ...more,
    ]);
    return blind(text).replace(/"grpc-status-details-bin","[^"]*"/, "");
  };
  await t.step("routed", async () => assert.equal(await ask("secret"), await ask(GHOST)));
  await t.step("routed, waiting", async () => {
    const wait: BareField[] = [["x-hub-wait", "50ms"]];
    assert.equal(await ask("secret", wait), await ask(GHOST, wait));
  });
  const shake = async (server: string) => {
    const { socket, answer } = await shakeHands(callAddress, { server, token: table.token("lab") });
    await drop(socket);
    assert.deepEqual(answer.servers, ["lab-1"]);
    return blind(JSON.stringify(answer));
  };
  await t.step("handshake", async () => assert.equal(await shake("secret"), await shake(GHOST)));
  const connect = async (server: string) => {
    const { socket, head } = await connectTo(callAddress, `${server}:443`, {
      "proxy-authorization": `Bearer ${table.token("lab")}`,
    });
    const body = await rest(socket);
    return blind(head.replace(/content-length: \d+/i, "") + body);
  };
  await t.step("CONNECT", async () => assert.equal(await connect("secret"), await connect(GHOST)));
  await t.step("a call that names nobody lists what its caller may see", async () => {
    for (
      const [who, shown] of [["prod", "edge-1, secret"], ["reader", "edge-1, edge-2"]] as const
    ) {
      const { status, message } = await table.call(GET, [table.bearer(who)]);
      assert.equal(status, Status.INVALID_ARGUMENT);
      for (const server of ["edge-1", "edge-2", "lab-1", "secret"]) {
        assert.equal(message.includes(server), shown.includes(server), `${who}: ${message}`);
      }
    }
  });
  await t.step("who is not known learns no name at all", async () => {
    const { text } = await table.call(GET, [["x-hub-server", "secrets"]]);
    for (const server of Object.keys(SERVERS)) assert.ok(!text.includes(`"${server}`), text);
  });
}

async function rest(socket: net.Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket) text += chunk;
  return text;
}
