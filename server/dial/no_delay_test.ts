import assert from "node:assert/strict";
import { once } from "node:events";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { isWithoutProgram } from "../../tests/support/daemon.ts";
import { run } from "../../tests/support/executable.ts";
import { startSquid } from "../../tests/support/foreign_proxies.ts";
import { registration, startProxy, withHub } from "../testing/dial_fixture.ts";
import { dial, type DialOptions } from "./dial.ts";

const tls = { ALPNProtocols: ["http/1.1"] };
const withoutSs = isWithoutProgram("ss");
const withoutSquid = isWithoutProgram("squid");
const ROUNDS = 20;
/** Messages of a round: the peer says nothing in between, and so acknowledges late. */
const PIECES = 3;

/** Segments with data that the kernel has sent to a local port. */
async function segmentsTo(address: string): Promise<number> {
  const port = address.slice(address.lastIndexOf(":") + 1);
  const { stdout } = await run("ss", ["-tinH", `dport = :${port}`]);
  return [...stdout.matchAll(/data_segs_out:(\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0);
}

/** What leaves for each small message of a server, in segments. */
async function segmentsPerMessage(
  options: Partial<DialOptions>,
  { isTls, firstHop }: { readonly isTls: boolean; readonly firstHop?: string },
): Promise<number> {
  const { cert, key } = await generateCertificate(["127.0.0.1"]);
  let perMessage = NaN;
  await withHub(isTls ? { tls: { cert, key } } : {}, async (hub) => {
    const accepted = hub.tunnel();
    const settings = { hubUri: hub.uri, registration, tls: { ...tls, ca: cert }, ...options };
    const socket = await dial(settings, ({ socket }) => socket);
    const far = (await accepted).socket;
    const to = firstHop ?? hub.uri.host;
    const before = await segmentsTo(to);
    for (let i = 0; i < ROUNDS; i++) {
      const heard = new Promise<void>((resolve) => {
        let count = 0;
        far.on("message", function hear() {
          if (++count < PIECES) return;
          far.off("message", hear);
          resolve();
        });
      });
      for (let piece = 0; piece < PIECES; piece++) {
        await new Promise<unknown>((resolve) => socket.send(Uint8Array.of(piece), resolve));
      }
      await heard;
      const answered = once(socket, "message");
      far.send(Uint8Array.of(0));
      await answered;
    }
    perMessage = (await segmentsTo(to) - before) / (ROUNDS * PIECES);
    socket.terminate();
  });
  return perMessage;
}

/** Held back by Nagle's algorithm, the second and third message of a round leave in one segment. */
function assertNotHeldBack(perMessage: number): void {
  assert.ok(perMessage > 0.9, `${perMessage} segments for a message`);
}

Deno.test({
  name: "A2: small messages of a server do not wait for the hub to acknowledge those before",
  ignore: withoutSs,
  async fn(t) {
    for (const isTls of [false, true]) {
      const how = isTls ? "with TLS" : "in plain text";
      await t.step(how, async () => {
        assertNotHeldBack(await segmentsPerMessage({}, { isTls }));
      });
      await t.step(`${how}, through a proxy`, async () => {
        await using proxy = await startProxy();
        const options = { proxy: new URL(`http://${proxy.address}`) };
        const firstHop = proxy.address;
        assertNotHeldBack(await segmentsPerMessage(options, { isTls, firstHop }));
      });
    }
    await t.step({
      name: "with TLS, through a proxy with TLS",
      ignore: withoutSquid,
      async fn() {
        const own = await generateCertificate(["127.0.0.1"]);
        await using squid = await startSquid({ tls: own });
        const options = { proxy: new URL(`https://${squid.address}`), proxyCa: own.cert };
        const firstHop = squid.address;
        assertNotHeldBack(await segmentsPerMessage(options, { isTls: true, firstHop }));
      },
    });
  },
});
