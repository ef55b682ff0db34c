import assert from "node:assert/strict";
import { type Io, type Output, runProgram } from "../shared/cli/program.ts";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { startHub } from "../hub/hub.ts";
import { generateCertificate } from "../shared/tls/generate.ts";
import { createProgram } from "../server/main.ts";

const ANYWHERE = { hostname: "127.0.0.1", port: 0 };

async function gserver(...args: string[]): Promise<{ code: number; out: string }> {
  let out = "";
  const output: Output = {
    isTerminal: false,
    color: false,
    write: (text) => Promise.resolve(void (out += text)),
  };
  const io: Io = { stdout: output, stderr: output };
  const signal = new AbortController().signal;
  const code = await runProgram(createProgram(), args, { env: { HOME: "/nowhere" }, io, signal });
  return { code, out };
}

const levels = (out: string) =>
  Object.fromEntries([...out.matchAll(/^(ok|warn|fail|-) +(\S+) /gm)].map(([, l, n]) => [n, l]));

Deno.test("gserver doctor finds nothing wrong with a hub that is well, and takes nobody's place", async () => {
  const hub = await startHub({ tunnelListen: ANYWHERE, callListen: ANYWHERE });
  try {
    const args = ["doctor", "edge-1", "--hub-uri", hub.tunnelAddress];
    const { code, out } = await gserver(...args);
    assert.equal(code, 0, out);
    const none = { DNS: "-", proxy: "-", TLS: "-", register: "-" };
    assert.deepEqual(levels(out), { ...none, TCP: "ok", WebSocket: "ok", token: "ok" });
    const json = await gserver(...args, "-o", "json");
    const [first] = json.out.split("\n").map((line) => line && JSON.parse(line));
    assert.deepEqual([first.of, first.name, first.level], [hub.tunnelAddress, "DNS", "-"]);
    const registered = await gserver(...args, "--register");
    assert.equal(registered.code, 0, registered.out);
    assert.match(registered.out, /^ok +register .*the hub takes this machine as edge-1$/m);
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
