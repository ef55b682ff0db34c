import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer as createTcp } from "node:net";
import { createServer, type TlsOptions, type TLSSocket } from "node:tls";
import { UsageError } from "../../shared/cli/usage_error.ts";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { parseExpose, parseUpstreamOption, toUpstreams, type UpstreamTls } from "./upstream.ts";
import { dialUpstream } from "./upstream_dial.ts";

/** A TLS server, and the subject of the certificate that the last client has shown. */
async function listen(options: TlsOptions) {
  const subject = Promise.withResolvers<string>();
  const server = createServer(options, (socket: TLSSocket) => {
    socket.on("error", () => {});
    const { subject: shown } = socket.getPeerCertificate();
    subject.resolve(String(shown?.CN ?? "nobody"));
    socket.end();
  });
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    subject: subject.promise,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}

Deno.test("E5: an upstream with TLS is checked by authority and name, and gets a client certificate", async (t) => {
  const dir = await Deno.makeTempDir();
  try {
    const { cert, key } = await generateCertificate(["payments.local"]);
    const client = await generateCertificate(["edge-1"]);
    const file = async (name: string, text: string) => {
      await Deno.writeTextFile(`${dir}/${name}`, text, { mode: 0o600 });
      return `${dir}/${name}`;
    };
    const files = {
      caFile: await file("ca.crt", cert),
      certFile: await file("own.crt", client.cert),
      keyFile: await file("own.key", client.key),
    };
    const h2 = { cert, key, ALPNProtocols: ["h2"] };
    const dial = (port: number, tls: UpstreamTls) =>
      dialUpstream({ name: "payments", address: { host: "127.0.0.1", port }, tls });
    await t.step("good", async () => {
      await using server = await listen({ ...h2, requestCert: true, rejectUnauthorized: false });
      const { socket } = await dial(server.port, { ...files, serverName: "payments.local" });
      assert.notEqual(await server.subject, "nobody");
      socket.destroy();
    });
    const wrong: [what: string, options: TlsOptions, tls: UpstreamTls, says: RegExp][] = [
      ["another name", h2, { caFile: files.caFile }, /payments" at tls:\/\/127.*:/],
      ["an unknown authority", h2, { serverName: "payments.local" }, /Cannot reach upstream/],
      [
        "no HTTP/2",
        { cert, key, ALPNProtocols: ["http/1.1"] },
        { caFile: files.caFile, serverName: "payments.local" },
        /Cannot reach upstream/,
      ],
      ["no such file", h2, { caFile: `${dir}/none` }, /none/],
    ];
    for (const [what, options, tls, says] of wrong) {
      await t.step(what, async () => {
        await using server = await listen(options);
        await assert.rejects(dial(server.port, tls), says);
      });
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("dialUpstream() gives up in time, and when it is told to", async () => {
  const silent = createTcp(() => {});
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const address = { host: "127.0.0.1", port: (silent.address() as AddressInfo).port };
  const upstream = { name: "payments", address, tls: {} };
  await assert.rejects(dialUpstream(upstream, { timeoutMs: 30 }), /no answer within 30 ms/);
  const controller = new AbortController();
  const dialing = dialUpstream(upstream, { signal: controller.signal });
  controller.abort(new Error("stop"));
  await assert.rejects(dialing, /stop/);
  silent.close();
});

Deno.test("E5: --expose takes unix sockets and TLS, and what goes with them is checked", async (t) => {
  const none = {
    upstreamCaFile: [],
    upstreamServerName: [],
    upstreamCertFile: [],
    upstreamKeyFile: [],
    upstreamTokenFile: [],
  };
  const pay = (value: string) => [parseUpstreamOption(`pay=${value}`)];
  assert.deepEqual(parseExpose("pay=unix:/run/x.sock"), {
    name: "pay",
    address: { path: "/run/x.sock" },
  });
  const expose = [parseExpose("pay=tls://10.1.2.3:443")];
  assert.deepEqual(
    toUpstreams({ ...none, expose, upstreamCaFile: pay("a=b"), upstreamTokenFile: pay("t") }),
    [{
      name: "pay",
      address: { host: "10.1.2.3", port: 443 },
      tls: { caFile: "a=b" },
      tokenFile: "t",
    }],
  );
  const plain = [parseExpose("pay=:1")];
  const wrong: [what: string, make: () => unknown][] = [
    ["a path that is not whole", () => parseExpose("pay=unix:x.sock")],
    ["a path that is too long", () => parseExpose(`pay=unix:/${"x".repeat(108)}`)],
    ["TLS without a port", () => parseExpose("pay=tls://host")],
    ["twice", () => toUpstreams({ ...none, expose: [...plain, ...plain] })],
    ["of nobody", () => toUpstreams({ ...none, expose: [], upstreamTokenFile: pay("t") })],
    ["TLS of one without", () => toUpstreams({ ...none, expose: plain, upstreamCaFile: pay("a") })],
    ["a key alone", () => toUpstreams({ ...none, expose, upstreamKeyFile: pay("k") })],
    [
      "two tokens",
      () => toUpstreams({ ...none, expose, upstreamTokenFile: [...pay("a"), ...pay("b")] }),
    ],
    ["no name", () => parseUpstreamOption("file")],
  ];
  for (const [what, make] of wrong) await t.step(what, () => assert.throws(make, UsageError));
});
