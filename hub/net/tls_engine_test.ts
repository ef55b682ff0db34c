import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import tls from "node:tls";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { TlsEngine } from "./tls_engine.ts";

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
