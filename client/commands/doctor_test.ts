import assert from "node:assert/strict";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { skewFinding } from "../../shared/doctor/network_checks.ts";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { startForgetful } from "../../tests/support/forgetful_relay.ts";
import { World } from "../../tests/support/world.ts";
import { FROM_HUB, hubTest, runClient, startFakeHub } from "../testing/fake_hub.ts";

/** Name → level of each check. */
const levels = (out: string) =>
  Object.fromEntries([...out.matchAll(/^(ok|warn|fail|-) +(\S+) /gm)].map(([, l, n]) => [n, l]));

Deno.test("doctor finds nothing wrong with a hub and a server that are well", async (t) => {
  await using world = await World.start({ servers: ["edge-1"] });
  const { code, out, err } = await runClient(["doctor", "edge-1", "-s", world.callAddress]);
  assert.equal(code, 0, out + err);
  const ok = { TCP: "ok", "HTTP/2": "ok", credential: "ok", clock: "ok", tunnel: "ok" };
  assert.deepEqual(levels(out), { DNS: "-", proxy: "-", TLS: "-", ...ok, idle: "-" });
  assert.match(out, /^ok +credential +\d+\.\d ms {2}the hub knows you as loopback/m);
  assert.match(out, /^ok +tunnel +\d+\.\d ms {2}edge-1 answers: SERVING$/m);
  assert.match(out, /^- +idle +not tried: --idle 60s keeps a connection silent for 60 s$/m);

  await t.step("doctor --idle tells whether a silent connection lasts", async () => {
    const lasts = await runClient(["doctor", "--idle", "20ms", "-s", world.callAddress]);
    assert.equal(lasts.code, 0, lasts.out);
    assert.match(lasts.out, /^ok +idle +\d+\.\d ms {2}a connection survives silence of 20ms$/m);
    // As a firewall that forgets what is silent. TCP, HTTP/2, credential and clock have one each.
    await using relay = await startForgetful(world.callAddress, { skip: 4, silentMs: 300 });
    const cut = await runClient(["doctor", "--idle", "2s", "-s", relay.address]);
    assert.equal(cut.code, 3, cut.out);
    assert.match(cut.out, /^fail +idle .*\n {6}remedy: What stands on the way ends silent conn/m);
    assert.equal(levels(cut.out)["clock"], "ok", cut.out);
  });
});

Deno.test("doctor shows a certificate's names and dates, and why it is not trusted", async () => {
  const certificate = await generateCertificate(["127.0.0.1", "hub.example"]);
  await using hub = await startFakeHub(certificate);
  const args = ["doctor", "-s", hub.address];
  const untrusted = await runClient([...args, "--tls"]);
  assert.equal(untrusted.code, 3);
  assert.match(untrusted.out, /^fail +TLS .*hub\.example.* \(\d{4}-\d\d-\d\d to .*not trusted: /m);
  assert.match(untrusted.out, /^ {6}remedy: Name its authority with --tls-ca-cert-file/m);
  assert.match(untrusted.out, /^- +HTTP\/2 +not tried: TLS has failed$/m);
  const { out } = await runClient([...args, "--tls-insecure-skip-verify"]);
  assert.equal(levels(out)["TLS"], "warn");
  assert.equal(levels(out)["HTTP/2"], "ok");
});

hubTest("doctor stops at the first thing that everything else needs", async (hub) => {
  hub.script.fail = () => ({
    error: new RpcError(Status.UNAUTHENTICATED, "No token"),
    trailers: FROM_HUB,
  });
  const { code, out } = await runClient(["doctor", "-s", hub.address]);
  assert.equal(code, 3);
  await hub[Symbol.asyncDispose]();
  const gone = await runClient(["doctor", "-s", hub.address]);
  assert.equal(gone.code, 3);
  assert.match(gone.out, /^fail +TCP [^]*^ {6}remedy: Is the hub at 127\.0\.0\.1:\d+/m);
  assert.equal(levels(gone.out)["tunnel"], "-");
  assert.equal(levels(out)["HTTP/2"], "ok");
  const name = await runClient(["doctor", "-s", "nowhere.invalid:1"]);
  assert.match(name.out, /^fail +DNS /m);
  assert.match(name.out, /^- +TCP +not tried: DNS has failed$/m);
});

hubTest("doctor --bundle writes what it found, and no secret", async (hub) => {
  const dir = await Deno.makeTempDir();
  try {
    const file = `${dir}/report.json`;
    const env = {
      GCLIENT_TOKEN: "very-secret",
      HTTPS_PROXY: "http://me:pass@192.0.2.1:1",
      NO_PROXY: "*",
      TERM: "xterm",
      OTHER: "not ours",
    };
    const args = ["doctor", "-s", hub.address, "-H", "x-key=header-secret", "--bundle", file];
    await runClient(args, { env });
    const text = await Deno.readTextFile(file);
    for (const secret of ["very-secret", "pass", "header-secret", "not ours"]) {
      assert.equal(text.includes(secret), false, secret);
    }
    const { program, environment, checks } = JSON.parse(text);
    assert.equal(program, "gclient");
    assert.deepEqual([environment.GCLIENT_TOKEN, environment.TERM], ["(set, not shown)", "xterm"]);
    assert.ok(checks.length >= 5);
    assert.equal(Deno.statSync(file).mode! & 0o777, 0o600);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a clock may be off by five seconds", () => {
  const table: [aheadMs: number, roundTripMs: number, level: string | undefined, text: RegExp][] = [
    [400, 0, undefined, /0\.4 s ahead of this one/],
    [-5000, 0, undefined, /5\.0 s behind this one/],
    [-5001, 0, "warn", /behind/],
    // The hub may have looked at its clock early or late in a question that took 10 s.
    [-9999, 10_000, undefined, /10\.0 s behind/],
    [90_000, 10_000, "warn", /90\.0 s ahead/],
  ];
  for (const [aheadMs, roundTripMs, level, text] of table) {
    const found = skewFinding({ aheadMs, roundTripMs });
    assert.equal(found.level, level);
    assert.match(found.text, text);
  }
});
