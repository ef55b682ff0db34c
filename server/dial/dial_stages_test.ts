import assert from "node:assert/strict";
import { configureLog, resetLog } from "../../shared/cli/log.ts";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { deadPort } from "../../tests/support/dead_port.ts";
import type { DialOptions } from "./dial.ts";
import type { TlsMaterial } from "./tls_material.ts";
import { failure, Peer, startProxy, tryDial, withHub } from "../testing/dial_fixture.ts";
import { startServer } from "../server.ts";

/** A dial's stages, with addresses as they are named here. */
async function stagesOf(hubUri: URL, options: Partial<DialOptions> = {}): Promise<string[]> {
  const stages: string[] = [];
  await tryDial(hubUri, { ...options, onStage: (stage) => stages.push(stage) });
  return stages;
}

Deno.test("F15: a dial tells each of its stages", async (t) => {
  const tls = await generateCertificate(["localhost", "127.0.0.1"]);
  const trusting: TlsMaterial = { rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] };
  await withHub({ tls }, async ({ uri }) => {
    const { port } = uri;
    await t.step("by a name", async () => {
      const byName = new URL(`wss://localhost:${port}/ws`);
      const [first, connect, ...rest] = await stagesOf(byName, { tls: trusting });
      assert.equal(first, "resolve localhost");
      // Other machines have [::1], too.
      assert.match(connect ?? "", new RegExp(`^connect to .*127\\.0\\.0\\.1:${port}`));
      assert.deepEqual(rest, [`TLS handshake with localhost:${port}`, "upgrade at /ws"]);
    });
    await t.step("by an address", async () => {
      assert.deepEqual(await stagesOf(new URL(`wss://127.0.0.1:${port}/ws`), { tls: trusting }), [
        `connect to 127.0.0.1:${port}`,
        `TLS handshake with 127.0.0.1:${port}`,
        "upgrade at /ws",
      ]);
    });
    await t.step("through a proxy, whose password is not shown", async () => {
      await using proxy = await startProxy();
      const through = new URL(`http://me:s3cret@${proxy.address}`);
      const stages = await stagesOf(uri, { tls: trusting, proxy: through });
      assert.match(stages[0]!, /^CONNECT through the proxy http:\/\/.*127\.0\.0\.1:\d+/);
      assert.doesNotMatch(stages[0]!, /s3cret/);
      assert.deepEqual(stages.slice(1), [`TLS handshake with ${uri.host}`, "upgrade at /ws"]);
    });
  });
  await t.step("without TLS", async () => {
    await withHub({}, async ({ uri }) => {
      assert.deepEqual(await stagesOf(uri), [`connect to ${uri.host}`, "upgrade at /ws"]);
    });
  });
});

Deno.test("F15: a dial that takes too long says at which stage", async (t) => {
  await using silent = await Peer.start(() => {});
  for (
    const [scheme, stage] of [["wss", /at: TLS handshake with/], ["ws", /at: upgrade at \/ws$/]]
  ) {
    await t.step(`${scheme}:`, async () => {
      const uri = new URL(`${scheme}://${silent.address}/ws`);
      // On a busy machine the time may be over before that stage: then it has more.
      let message = "";
      for (let ms = 300; ms < 60_000 && !(stage as RegExp).test(message); ms *= 2) {
        ({ message } = await failure(uri, { timeoutMs: ms }));
      }
      assert.match(message, stage as RegExp);
    });
  }
});

Deno.test("F15: of many dials in a row the 1st, 2nd, 4th and 8th are told", async () => {
  using dead = await deadPort();
  let stages = 0;
  await configureLog({ write: (line) => stages += Number(line.includes("Dialling: connect to")) });
  try {
    const tenth = Promise.withResolvers<void>();
    let tries = 0;
    await using _server = await startServer({
      name: "edge-1",
      hubUri: new URL(`ws://${dead.address}/ws`),
      backoff: { baseMs: 0 },
      onState(_, { state }) {
        if (state === "waiting" && ++tries === 10) tenth.resolve();
      },
    });
    await tenth.promise;
    assert.equal(stages, 4);
  } finally {
    await resetLog();
  }
});
