import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { startHub } from "../hub/hub.ts";
import { generateCertificate } from "../shared/tls/generate.ts";
import { createProgram } from "../server/main.ts";
import { startForgetful } from "./support/forgetful_relay.ts";
import { runHere } from "./support/run_here.ts";

const ANYWHERE = { hostname: "127.0.0.1", port: 0 };

const gserver = (...args: string[]) => gserverWith({}, ...args);
const gserverWith = (env: Record<string, string>, ...args: string[]) =>
  runHere(createProgram(), args, env);

const levels = (out: string) =>
  Object.fromEntries([...out.matchAll(/^(ok|warn|fail|-) +(\S+) /gm)].map(([, l, n]) => [n, l]));

Deno.test("gserver doctor finds nothing wrong with a hub that is well, and takes nobody's place", async () => {
  const hub = await startHub({ tunnelListen: ANYWHERE, callListen: ANYWHERE });
  try {
    const args = ["doctor", "edge-1", "--hub-uri", hub.tunnelAddress];
    const { code, out } = await gserver(...args);
    assert.equal(code, 0, out);
    const none = { DNS: "-", proxy: "-", TLS: "-", register: "-", echo: "-", idle: "-" };
    const ok = { TCP: "ok", WebSocket: "ok", clock: "ok", token: "ok" };
    assert.deepEqual(levels(out), { ...none, ...ok });
    assert.match(out, /^- +echo +not tried: --register opens a tunnel$/m);
    const json = await gserver(...args, "-o", "json");
    const [first] = json.out.split("\n").map((line) => line && JSON.parse(line));
    assert.deepEqual([first.of, first.name, first.level], [hub.tunnelAddress, "DNS", "-"]);
    const registered = await gserver(...args, "--register");
    assert.equal(registered.code, 0, registered.out);
    assert.match(registered.out, /^ok +register .*the hub takes this machine as edge-1$/m);
    assert.match(registered.out, /^ok +echo +\d+\.\d ms {2}the hub sends back what comes/m);
    const idle = await gserver(...args, "--register", "--idle", "20ms");
    assert.match(idle.out, /^ok +idle +\d+\.\d ms {2}a connection survives silence of 20ms$/m);
    assert.match((await gserver(...args, "--idle", "1h")).out, /^- +idle +not tried: --register/m);
  } finally {
    hub.close();
    await hub.closed;
  }
});

Deno.test("gserver doctor tells a proxy that takes the upgrade away, and a port that has no TLS", async () => {
  // As a proxy that forwards without Upgrade: the hub would see a plain GET.
  const proxy = createServer((_request, response) => {
    response.writeHead(426).end(
      '{"code":"UPGRADE_REQUIRED","message":"This port takes WebSockets"}',
    );
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { port } = proxy.address() as AddressInfo;
  try {
    const { code, out } = await gserver("doctor", "--hub-uri", `ws://127.0.0.1:${port}/ws`);
    assert.equal(code, 3);
    assert.match(out, /^fail +WebSocket .*\n {6}remedy: /m);
    assert.equal(levels(out)["token"], "-");
    const tls = await gserver("doctor", "--hub-uri", `wss://127.0.0.1:${port}/ws`);
    assert.match(tls.out, /^fail +TLS [^]*^ {6}remedy: Does that port speak TLS\?/m);
  } finally {
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  }
});

Deno.test("gserver doctor --idle tells of what ends a silent tunnel", async () => {
  const hub = await startHub({ tunnelListen: ANYWHERE, callListen: ANYWHERE });
  try {
    // The pong of the second echo, which the silence follows, is the last that comes through.
    const pong = "\x8a\x012";
    await using relay = await startForgetful(new URL(hub.tunnelAddress).host, { last: pong });
    const uri = `ws://${relay.address}/ws`;
    const args = ["doctor", "edge-1", "--hub-uri", uri, "--register", "--idle", "1s"];
    const { code, out } = await gserver(...args);
    assert.equal(code, 3, out);
    assert.equal(levels(out)["echo"], "ok");
    assert.match(out, /^fail +idle .*The tunnel has ended: .*\n {6}remedy: What stands on the/m);
  } finally {
    hub.close();
    await hub.closed;
  }
});

Deno.test("gserver doctor warns of a clock that differs from the hub's", async () => {
  let dateMs = Date.now() - 3_600_000;
  const hub = createServer((_request, response) => {
    const message = "The X-Hub-Meta-Name header is missing";
    response.writeHead(400, { date: new Date(dateMs).toUTCString() })
      .end(JSON.stringify({ code: "BAD_NAME", message }));
  });
  await new Promise<void>((resolve) => hub.listen(0, "127.0.0.1", resolve));
  const { port } = hub.address() as AddressInfo;
  try {
    const args = ["doctor", "--hub-uri", `ws://127.0.0.1:${port}/ws`];
    const behind = await gserver(...args);
    assert.match(behind.out, /^warn +clock .*the hub's clock is 3\d\d\d\.\d s behind this one$/m);
    assert.match(behind.out, /^ {6}remedy: Set both clocks by NTP/m);
    assert.equal(behind.code, 0);
    dateMs = NaN;
    assert.match((await gserver(...args)).out, /^- +clock +this version of the hub does not tell/m);
  } finally {
    hub.closeAllConnections();
    await new Promise((resolve) => hub.close(resolve));
  }
});

Deno.test("gserver doctor --bundle writes what it found, and no secret", async () => {
  const dir = await Deno.makeTempDir();
  const hub = await startHub({ tunnelListen: ANYWHERE, callListen: ANYWHERE });
  try {
    await Deno.writeTextFile(`${dir}/token`, "very-secret", { mode: 0o600 });
    const file = `${dir}/report.json`;
    const env = { HTTPS_PROXY: "http://me:pass@127.0.0.1:1", GSERVER_TOKEN: "also-secret" };
    const args = ["doctor", "--hub-uri", hub.tunnelAddress, "--token-file", `${dir}/token`];
    const { code, out } = await gserverWith(env, ...args, "--bundle", file);
    assert.equal(code, 0, out);
    const text = await Deno.readTextFile(file);
    for (const secret of ["very-secret", "also-secret", "me:pass"]) {
      assert.ok(!text.includes(secret), secret);
    }
    const { program, checks } = JSON.parse(text);
    assert.equal(program, "gserver");
    assert.ok(checks.length >= 8);
    assert.equal(Deno.statSync(file).mode! & 0o777, 0o600);
  } finally {
    hub.close();
    await hub.closed;
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("gserver doctor: a certificate that is trusted by its file", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const certificate = await generateCertificate(["127.0.0.1"]);
    await Deno.writeTextFile(`${dir}/hub.crt`, certificate.cert);
    const hub = await startHub({
      tunnelListen: ANYWHERE,
      callListen: ANYWHERE,
      tunnelTls: certificate,
    });
    try {
      const args = ["doctor", "--hub-uri", hub.tunnelAddress];
      const trusted = await gserver(...args, "--tls-ca-cert-file", `${dir}/hub.crt`);
      assert.equal(trusted.code, 0, trusted.out);
      assert.equal(levels(trusted.out)["TLS"], "ok");
      assert.equal(levels((await gserver(...args)).out)["TLS"], "fail");
    } finally {
      hub.close();
      await hub.closed;
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
