import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import tls from "node:tls";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { MAX_RECEIVED, TlsEngine } from "./tls_engine.ts";

const { cert, key } = await generateCertificate(["localhost"]);
const context = tls.createSecureContext({ cert, key });
const OPTIONS = { context, alpn: ["h2"], requestCert: false, onClear() {} };

/** What all inner ends of Node's TLS have in common. */
function innerPrototype(): Record<string, unknown> {
  const socket = new tls.TLSSocket(new Duplex({ read() {} }) as never, {
    isServer: true,
    secureContext: context,
  });
  return Object.getPrototypeOf((socket as tls.TLSSocket & { readonly ssl: object }).ssl);
}

Deno.test("A2: this Deno has the TLS that the hub's speed needs", () => {
  new TlsEngine(OPTIONS).destroy();
});

Deno.test("another Deno's TLS is refused by name, and not used by half", () => {
  const prototype = innerPrototype();
  const { drainEncOut } = prototype;
  delete prototype["drainEncOut"];
  try {
    assert.throws(() => new TlsEngine(OPTIONS), /another TLS than Deno 2\.9\.6.*no drainEncOut/);
  } finally {
    Object.defineProperty(prototype, "drainEncOut", {
      value: drainEncOut,
      configurable: true,
      writable: true,
    });
  }
  new TlsEngine(OPTIONS).destroy();
});

Deno.test("a certificate without its key is refused before any handshake", async () => {
  const { key: another } = await generateCertificate(["localhost"]);
  assert.throws(() => {
    new TlsEngine({ ...OPTIONS, context: tls.createSecureContext({ cert, key: another }) });
  });
});

/** Two ends, and what each has read in plain bytes. */
function pair() {
  const read = { server: 0, client: 0 };
  const server = new TlsEngine({ ...OPTIONS, onClear: (bytes) => read.server += bytes.length });
  const client = new TlsEngine({
    ...OPTIONS,
    isServer: false,
    onClear: (bytes) => read.client += bytes.length,
  });
  return { server, client, read };
}

/** Gives all that one end has for the other one; says whether there was anything. */
function carry(from: TlsEngine, to: TlsEngine): boolean {
  let any = false;
  for (let bytes; (bytes = from.take()) !== undefined; any = true) {
    for (let at = 0; at < bytes.length; at += MAX_RECEIVED) {
      to.receive(bytes.subarray(at, at + MAX_RECEIVED));
    }
  }
  return any;
}

Deno.test("what was sent comes out whole, whatever its length", () => {
  const { server, client, read } = pair();
  while ([carry(client, server), carry(server, client)].some(Boolean));
  assert(client.established && server.established);
  for (const length of [1, 200, 16_383, 16_384, 16_385, 32_768, 40_000, 65_536, 65_537, 200_000]) {
    for (
      const [from, to, who] of [[client, server, "server"], [server, client, "client"]] as const
    ) {
      const before = read[who];
      from.send(new Uint8Array(length));
      carry(from, to);
      assert.equal(read[who] - before, length, `${length} bytes for the ${who}`);
    }
  }
  server.destroy();
  client.destroy();
});
