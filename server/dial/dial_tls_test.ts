import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { pinOf } from "../../shared/tls/pin.ts";
import { failure, Peer, startProxy, tryDial, withHub } from "../testing/dial_fixture.ts";
import { loadTls, type TlsFiles } from "./tls_material.ts";

Deno.test("dial() checks the hub's certificate as told", async (t) => {
  const dir = await Deno.makeTempDir();
  try {
    const { cert, key } = await generateCertificate(["hub.example"]);
    const files = { cert: `${dir}/a.crt`, key: `${dir}/a.key` };
    await Deno.writeTextFile(files.cert, cert);
    await Deno.writeTextFile(files.key, key, { mode: 0o600 });
    const other = await generateCertificate(["127.0.0.1"]);
    await Deno.writeTextFile(`${dir}/other.crt`, other.cert);
    const table: [what: string, tls: TlsFiles, hint?: RegExp][] = [
      ["unknown authority", {}, /--tls-ca-cert-file/],
      ["another authority", { caCertFile: `${dir}/other.crt` }, /--tls-ca-cert-file/],
      ["another name", { caCertFile: files.cert }, /--tls-server-name/],
      ["its authority and name", { caCertFile: files.cert, serverName: "hub.example" }],
      ["no check", { insecureSkipVerify: true }],
    ];
    for (const [what, tls, hint] of table) {
      await t.step(what, async () => {
        await withHub({ tls: { cert, key } }, async (hub) => {
          const options = { tls: await loadTls(tls) };
          if (hint === undefined) assert.equal(await tryDial(hub.uri, options), "open");
          else assert.match((await failure(hub.uri, options)).hint ?? "", hint);
        });
      });
    }
    await t.step("another name: the certificate's own names are told", async () => {
      await withHub({ tls: { cert, key } }, async (hub) => {
        const options = { tls: await loadTls({ caCertFile: files.cert }) };
        const { message } = await failure(hub.uri, options);
        assert.equal(message, "the hub's certificate is for hub.example, not for 127.0.0.1");
      });
    });
    await t.step("a port that speaks gRPC, as the hub's call port does", async () => {
      await withHub({ tls: { cert, key, ALPNProtocols: ["h2"] } }, async (hub) => {
        const options = { tls: await loadTls({ insecureSkipVerify: true }) };
        assert.match((await failure(hub.uri, options)).hint ?? "", /call port.*tunnel port/);
      });
    });
    const day = 24 * 60 * 60 * 1000;
    for (const [what, notBefore] of [["expired", -3 * day], ["not valid yet", day]] as const) {
      await t.step(what, async () => {
        const pair = await generateCertificate(["127.0.0.1"], {
          days: 1,
          notBefore: new Date(Date.now() + notBefore),
        });
        await Deno.writeTextFile(`${dir}/dated.crt`, pair.cert);
        await withHub({ tls: pair }, async (hub) => {
          const options = { tls: await loadTls({ caCertFile: `${dir}/dated.crt` }) };
          assert.match((await failure(hub.uri, options)).hint ?? "", /expired, is not valid yet/);
        });
      });
    }
    await t.step("client certificate", async () => {
      let subject: unknown;
      const refuse = (request: IncomingMessage, _socket: Duplex) => {
        const socket = request.socket as unknown as { getPeerCertificate(): { raw?: unknown } };
        subject = socket.getPeerCertificate().raw;
        return false;
      };
      const tls = { cert, key, ca: cert, requestCert: true, rejectUnauthorized: true };
      await withHub({ tls, refuse }, async (hub) => {
        const material = await loadTls({
          insecureSkipVerify: true,
          certFile: files.cert,
          keyFile: files.key,
        });
        assert.equal(await tryDial(hub.uri, { tls: material }), "open");
        assert.ok(subject);
      });
    });
    await t.step("ws:// to a TLS port", async () => {
      await withHub({ tls: { cert, key } }, async (hub) => {
        const error = await failure(new URL(hub.uri.href.replace("wss:", "ws:")));
        assert.match(error.hint ?? "", /wss:\/\//);
      });
    });
    await t.step("F9: wss:// to a plain port: nobody is told to go without TLS", async () => {
      await withHub({}, async (hub) => {
        const error = await failure(new URL(hub.uri.href.replace("ws:", "wss:")));
        assert.match(error.hint ?? "", /--tls-cert/);
        assert.doesNotMatch(error.hint ?? "", /ws:\/\//);
      });
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("dial() takes only a hub whose key is pinned, and tells no other its token", async (t) => {
  const dir = await Deno.makeTempDir();
  try {
    const { cert, key } = await generateCertificate(["127.0.0.1"]);
    const other = await generateCertificate(["127.0.0.1"]);
    await Deno.writeTextFile(`${dir}/ca.crt`, cert);
    const [pin, next] = [pinOf(cert), pinOf(other.cert)];
    const unverified: TlsFiles = { insecureSkipVerify: true };
    const verified: TlsFiles = { caCertFile: `${dir}/ca.crt` };
    const token = "t".repeat(43);
    const table: [what: string, tls: TlsFiles, pins: string[], says?: string][] = [
      ["the right one, unverified", unverified, [pin]],
      ["the right one, verified", verified, [pin]],
      ["the next one beside it", verified, [next, pin]],
      ["a wrong one, unverified", unverified, [next], `expected ${next}, found ${pin}`],
      ["a wrong one, verified", verified, [next], `expected ${next}, found ${pin}`],
      ["two wrong ones", verified, [next, pinOf(other.cert)], `one of ${next}, ${next}, found`],
    ];
    for (const [what, tls, pins, says] of table) {
      await t.step(what, async () => {
        await withHub({ tls: { cert, key } }, async (hub) => {
          const options = { tls: await loadTls(tls), pins, token };
          if (says === undefined) assert.equal(await tryDial(hub.uri, options), "open");
          else {
            const { message, hint = "" } = await failure(hub.uri, options);
            assert.ok(message.includes(says), message);
            assert.match(hint, /--pin-sha256/);
            assert.deepEqual(hub.requests, []);
          }
        });
      });
    }
    await t.step("the right one of an authority that is not trusted", async () => {
      await withHub({ tls: { cert, key } }, async (hub) => {
        const { hint = "" } = await failure(hub.uri, { pins: [pin] });
        assert.match(hint, /--tls-ca-cert-file/);
      });
    });
    await t.step("through a proxy", async () => {
      await using proxy = await startProxy("user:pass");
      const url = new URL(`http://user:pass@${proxy.address}`);
      await withHub({ tls: { cert, key } }, async (hub) => {
        const options = { tls: await loadTls(unverified), token, proxy: url };
        assert.equal(await tryDial(hub.uri, { ...options, pins: [pin] }), "open");
        const { message } = await failure(hub.uri, { ...options, pins: [next] });
        assert.match(message, /another key than is pinned/);
        assert.equal(hub.requests.length, 1);
      });
    });
    await t.step("a proxy that refuses", async () => {
      await using proxy = await Peer.start((socket) =>
        socket.once("data", () => socket.end("HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n"))
      );
      const { message } = await failure(new URL("wss://hub.example/ws"), {
        proxy: new URL(`http://${proxy.address}`),
        pins: [pin],
      });
      assert.match(message, /The proxy answered 403/);
    });
    await t.step("a hub without TLS", async () => {
      await withHub({}, async (hub) => {
        const { message } = await failure(hub.uri, { pins: [pin], token });
        assert.match(message, /has no TLS/);
        assert.deepEqual(hub.requests, []);
      });
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
