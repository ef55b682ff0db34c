/** `ghub doctor`: real files, real TLS, real hubs that run or do not. */
import assert from "node:assert/strict";
import { startHub } from "../hub/hub.ts";
import { EtcdEngine } from "../hub/engine/etcd_engine.ts";
import { program } from "../hub/main.ts";
import type { Checked } from "../shared/doctor/check.ts";
import { generateAuthority, signerOf } from "../shared/tls/authority.ts";
import { generateCertificate } from "../shared/tls/generate.ts";
import { asBuilt } from "./support/as_built.ts";
import { Etcd, isWithoutEtcd } from "./support/etcd.ts";
import { IS_ROOT } from "./support/executable.ts";
import { Process } from "./support/process.ts";
import { type RanHere, runHere } from "./support/run_here.ts";
import { until } from "./support/until.ts";
import { ownLoopback, World } from "./support/world.ts";

const ANYWHERE = ["--tunnel-listen", "127.0.0.1:0", "--call-listen", "127.0.0.1:0"];

interface Examined extends RanHere {
  /** Name → what was found. */
  readonly found: Readonly<Record<string, Checked>>;
}

/** `ghub doctor -o json`. */
async function doctor(...args: string[]): Promise<Examined> {
  const { code, out } = await runHere(program, ["doctor", "-o", "json", ...args]);
  return { code, out, found: foundIn(out) };
}

function foundIn(out: string): Examined["found"] {
  const lines = out.split("\n").filter((line) => line.startsWith("{"));
  return Object.fromEntries(
    lines.map((line) => JSON.parse(line) as Checked).map((one) => [one.name, one]),
  );
}

function levels({ found }: Examined): Record<string, string> {
  return Object.fromEntries(Object.values(found).map(({ name, level }) => [name, level]));
}

/** A folder with a certificate. */
class Machine implements AsyncDisposable {
  private constructor(readonly dir: string) {}

  static async make(): Promise<Machine> {
    const machine = new Machine(await Deno.makeTempDir({ prefix: "ghub-doctor-" }));
    await machine.certify();
    return machine;
  }

  get crt(): string {
    return `${this.dir}/hub.crt`;
  }

  async certify(options: Parameters<typeof generateCertificate>[1] = {}) {
    const pair = await generateCertificate(["localhost", "127.0.0.1"], options);
    await this.write("hub.crt", pair.cert);
    await this.write("hub.key", pair.key);
    return pair;
  }

  async write(name: string, text: string, mode = 0o600): Promise<string> {
    const path = `${this.dir}/${name}`;
    await Deno.writeTextFile(path, text);
    await Deno.chmod(path, mode);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.dir, { recursive: true });
  }
}

Deno.test("ghub doctor before the first start: all is well, ports are free, and nothing is made", async () => {
  await using machine = await Machine.make();
  const at = ownLoopback();
  const state = `${machine.dir}/state`;
  const examined = await doctor(
    ...["--tls-cert", machine.crt, "--call-tls", "--state-dir", state],
    ...["--tunnel-listen", `${at}:18080`, "--call-listen", `${at}:19090`],
  );
  assert.equal(examined.code, 0, examined.out);
  const { found } = examined;
  assert.match(
    found["certificate"]!.text,
    /hub\.key: localhost, 127\.0\.0\.1 \(\d{4}-\d\d-\d\d to /,
  );
  assert.match(found["tunnel port"]!.text, /:18080 is free$/);
  assert.match(found["call port"]!.text, /:19090 is free$/);
  assert.match(found["state"]!.text, /is not there: the hub makes it/);
  assert.match(found["DNS"]!.text, /^localhost is .*127\.0\.0\.1|::1/);
  assert.equal(found["WebSocket"]!.level, "-");
  assert.deepEqual([...Deno.readDirSync(machine.dir)].map(({ name }) => name).sort(), [
    "hub.crt",
    "hub.key",
  ]);
});

Deno.test("ghub doctor while a hub runs: who answers, by TLS, upgrade and health", async (t) => {
  await using machine = await Machine.make();
  const pair = await machine.certify();
  const stateDir = `${machine.dir}/state`;
  const anywhere = { hostname: ownLoopback(), port: 0 };
  await using hub = await startHub({
    tunnelListen: anywhere,
    callListen: anywhere,
    tunnelTls: pair,
    callTls: pair,
    stateDir,
    auditLog: `${stateDir}/audit.jsonl`,
  });
  const ports = [
    ...["--tunnel-listen", new URL(hub.tunnelAddress).host, "--call-listen", hub.callAddress],
    ...["--tls-cert", machine.crt, "--call-tls"],
  ];
  const args = [...ports, "--state-dir", stateDir];
  await t.step("all is well, and the hub goes on", async () => {
    const examined = await doctor(...args);
    assert.equal(examined.code, 0, examined.out);
    const { found } = examined;
    assert.match(found["state"]!.text, /mode 0700, of user \d+; a hub runs with it$/);
    const ok = ["tunnel port", "tunnel TLS", "WebSocket", "call port", "call TLS", "health"];
    for (const name of ok) assert.equal(found[name]?.level, "ok", `${name}: ${examined.out}`);
    assert.equal(found["health"]!.text, "SERVING");
    assert.ok(hub.isReady);
  });
  await t.step("a renewed certificate that is not in use", async () => {
    await machine.certify();
    const { code, found, out } = await doctor(...args);
    assert.equal(code, 3, out);
    assert.match(found["tunnel TLS"]!.text, /that is not the certificate in .*hub\.crt$/);
    assert.match(found["call TLS"]!.remedy ?? "", /ghub reload/);
  });
  await t.step("a hub of another state folder has the port", async () => {
    const { code, found, out } = await doctor(...ports, "--state-dir", `${machine.dir}/other`);
    assert.equal(code, 3, out);
    assert.match(found["tunnel port"]!.text, /has another program, or a hub that keeps its state/);
    assert.match(found["call port"]!.remedy ?? "", /ss -ltnp/);
    assert.equal(found["WebSocket"]!.level, "ok");
  });
  await t.step("the hub runs, and listens elsewhere", async () => {
    const { code, found, out } = await doctor(
      ...[...args, "--tunnel-listen", `${ownLoopback()}:18080`],
    );
    assert.equal(code, 3, out);
    assert.match(found["tunnel port"]!.text, /^A hub runs, and does not listen on 127\./);
  });
});

Deno.test("ghub doctor tells of each file that cannot be used, with a remedy", async () => {
  await using machine = await Machine.make();
  const { dir, crt } = machine;
  const state = `${dir}/state`;
  await Deno.mkdir(state, { mode: 0o700 });
  await Deno.writeTextFile(`${state}/operator.token`, "x".repeat(43));
  await Deno.chmod(`${state}/operator.token`, 0o644);
  const config = await machine.write("ghub.yaml", `state-dir: ${state}\n`, 0o666);
  const auth = await machine.write("auth.yaml", "version: 9\n");
  const ca = await machine.write("ca.crt", "nothing\n");
  await Deno.chmod(`${dir}/hub.key`, 0o644);
  const bundle = `${dir}/report.json`;
  const examined = await doctor(
    ...[...ANYWHERE, "--config", config, "--tls-cert", crt, "--client-ca", ca],
    ...["--auth-file", auth, "--audit-log", "none", "--bundle", bundle],
  );
  assert.equal(examined.code, 3, examined.out);
  const { found } = examined;
  assert.deepEqual(
    ["config", "options", "certificate", "client CA", "auth file", "state", "audit"]
      .map((name) => `${name} ${found[name]?.level}`),
    [
      ...["config warn", "options warn", "certificate fail", "client CA fail"],
      ...["auth file fail", "state fail", "audit -"],
    ],
    examined.out,
  );
  assert.match(found["certificate"]!.text, /others may read it; run: chmod 600 .*hub\.key$/);
  assert.match(found["state"]!.text, /operator\.token: others may read it/);
  for (const { level, remedy } of Object.values(found)) {
    if (level === "fail") assert.ok(remedy, examined.out);
  }
  const report = JSON.parse(await Deno.readTextFile(bundle));
  assert.equal(report.program, "ghub");
  assert.equal(report.checks.length, Object.keys(found).length);
});

Deno.test("ghub doctor tells how long a certificate is still good, and whether it is good yet", async () => {
  await using machine = await Machine.make();
  const ask = async (options: Parameters<typeof generateCertificate>[1]) => {
    await machine.certify(options);
    const state = `${machine.dir}/state`;
    return await doctor(...ANYWHERE, "--tls-cert", machine.crt, "--state-dir", state);
  };
  const soon = await ask({ days: 9 });
  assert.deepEqual([soon.code, levels(soon)["certificate"]], [0, "warn"]);
  assert.match(soon.found["certificate"]!.remedy ?? "", /^Renew it: ghub cert make --force/);
  const ended = await ask({ days: 9, notBefore: new Date("2020-01-01") });
  assert.deepEqual([ended.code, levels(ended)["certificate"]], [3, "fail"]);
  const later = await ask({ days: 99, notBefore: new Date(Date.now() + 86_400_000) });
  assert.deepEqual([later.code, levels(later)["clock"]], [3, "fail"]);
  assert.match(later.found["certificate"]!.text, /; it is not valid yet$/);
});

Deno.test("ghub doctor tells whether other hubs would take this hub's certificate", async () => {
  await using machine = await Machine.make();
  const authority = await generateAuthority("hubs");
  const ca = await machine.write("peer-ca.crt", authority.cert);
  const peers = ["--peer-listen", "127.0.0.1:0", "--peer-ca", ca, "--peer-cert-file", machine.crt];
  const ask = async (options: Parameters<typeof generateCertificate>[1]) => {
    await machine.certify(options);
    const { found } = await doctor(...ANYWHERE, ...peers, "--state-dir", `${machine.dir}/state`);
    return `${found["peer cert"]!.level}: ${found["peer cert"]!.text}`;
  };
  assert.match(await ask({ authority: await signerOf(authority) }), /^ok: /);
  assert.match(await ask({}), /^fail: .*; it is of no authority that is trusted here$/);
});

Deno.test("ghub doctor tells of options that contradict each other", async () => {
  await using machine = await Machine.make();
  const state = ["--state-dir", `${machine.dir}/state`];
  const { code, found, out } = await doctor(...ANYWHERE, ...state, "--dead-after", "1s");
  assert.equal(code, 3, out);
  assert.match(found["options"]!.text, /^--dead-after must be at least twice --ping-interval/);
});

Deno.test({
  name: "ghub doctor tells of an audit that its user cannot write",
  ignore: IS_ROOT,
  fn: async () => {
    await using machine = await Machine.make();
    const { code, found, out } = await doctor(
      ...[...ANYWHERE, "--state-dir", `${machine.dir}/state`, "--audit-log", "/audit.jsonl"],
    );
    assert.equal(code, 3, out);
    assert.match(found["audit"]!.text, /^\/ cannot be written by user /);
  },
});

Deno.test("ghub doctor needs no more permissions than its executable has", async () => {
  await using world = await World.start({ servers: [], tls: true });
  const { code, stdout, stderr } = await Process.run([
    ...[...asBuilt("ghub"), "doctor", "-o", "json", "--state-dir", `${world.dir}/hub`],
    ...["--tunnel-listen", new URL(world.tunnelUri).host, "--call-listen", world.callAddress],
    ...["--tls-cert", world.caCertFile],
  ]);
  assert.equal(code, 0, stdout + stderr);
  assert.match(foundIn(stdout)["state"]!.text, /a hub runs with it$/);
  assert.equal(foundIn(stdout)["health"]!.level, "ok");
});

Deno.test({
  name:
    "ghub doctor asks each member of etcd, reads the cluster's record, and dials the other hubs",
  ignore: isWithoutEtcd(),
  fn: async () => {
    await using machine = await Machine.make();
    await using etcd = await Etcd.start({ tls: true });
    const { caFile, certFile, keyFile } = etcd.tlsFiles()!;
    const away = `${ownLoopback()}:12379`;
    const args = (...members: string[]) => [
      ...[...ANYWHERE, "--hub-name", "west", "--state-dir", `${machine.dir}/state`],
      ...["--cluster", `etcd://${members.join(",")}/site-1`, "--cluster-ca-file", caFile!],
      ...["--cluster-cert-file", certFile!, "--cluster-key-file", keyFile!],
    ];
    const empty = await doctor(...args(etcd.endpoints));
    assert.equal(empty.code, 0, empty.out);
    assert.match(
      empty.found[`etcd ${etcd.endpoints}`]!.text,
      /^answers with TLS .*round trip takes/,
    );
    assert.equal(empty.found["cluster"]!.text, "there is no hub in it");
    assert.equal(empty.found["peers"]!.level, "-");

    const anywhere = { hostname: "127.0.0.1", port: 0 };
    await using hub = await startHub({
      tunnelListen: anywhere,
      callListen: anywhere,
      peers: { listen: anywhere, secret: "s".repeat(32) },
      cluster: {
        cluster: "site-1",
        hub: "east",
        open: () => new EtcdEngine({ members: etcd.addresses, tls: etcd.tlsFiles() }),
      },
    });
    assert.ok(hub.peerAddress);
    const records = ["get", "--prefix", "/ghub/v1/site-1/hub/"];
    await until("the record", async () => (await etcd.ctl(...records)).includes("east"));
    const both = await doctor(...args(away, etcd.endpoints));
    assert.equal(both.code, 3, both.out);
    assert.equal(both.found[`etcd ${away}`]!.level, "fail");
    assert.equal(both.found[`etcd ${etcd.endpoints}`]!.level, "ok");
    assert.match(both.found["cluster"]!.text, /^hubs: east \(open, /);
    assert.match(both.found["peers"]!.text, /^answer: east in /);
  },
});
