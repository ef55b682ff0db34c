/**
 * SIGHUP: what can be taken anew is, the log says what became of each part, and nothing that is
 * broken ends a process, a tunnel or a call.
 */
import assert from "node:assert/strict";
import { generateCertificate } from "../shared/tls/generate.ts";
import { ok } from "./call_suite/expect.ts";
import { asBuilt } from "./support/as_built.ts";
import { assertSameTunnel, listed } from "./support/facts.ts";
import { commandLine, Process, source } from "./support/process.ts";
import { until } from "./support/until.ts";
import { World } from "./support/world.ts";

/** Sends SIGHUP and gives what was logged because of it. */
async function reload(process: Process): Promise<string> {
  const { length } = process.stderr;
  process.signal("SIGHUP");
  await process.says(/SIGHUP: looked at \d+ parts.*\n/, length);
  return process.stderr.slice(length);
}

const AUTH = "version: 1\nallowLoopback: true\n";

Deno.test("SIGHUP: ghub takes anew what it can, and says what not", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-reload-" });
  const files = {
    auth: `${dir}/auth.yaml`,
    config: `${dir}/ghub.yaml`,
    audit: `${dir}/audit.jsonl`,
    cert: `${dir}/own.crt`,
  };
  const writeCertificate = async () => {
    const { cert, key } = await generateCertificate(["localhost", "127.0.0.1"]);
    await Deno.writeTextFile(`${dir}/own.key`, key, { mode: 0o600 });
    await Deno.writeTextFile(files.cert, cert);
  };
  await Deno.writeTextFile(files.auth, AUTH, { mode: 0o600 });
  await Deno.writeTextFile(files.config, "log-level: info\n");
  await writeCertificate();
  try {
    await using world = await World.start({
      servers: [{ name: "edge-1", args: ["--tls-insecure-skip-verify"] }],
      hubArgs: [
        ...["--auth-file", files.auth, "--config", files.config],
        ...["--audit-log", files.audit, "--tls-cert", files.cert],
      ],
    });
    const { hub } = world;
    using client = world.path("edge-1").client();
    const tunnel = await listed(world, "edge-1");
    const stream = client.bidi();
    stream.call.write({ data: new Uint8Array(1) });
    await stream.headers;

    await t.step("nothing has changed", async () => {
      const said = await reload(hub);
      for (
        const part of [
          "options and config file: unchanged",
          `auth file ${files.auth}: unchanged`,
          `certificate ${files.cert}: unchanged`,
          `audit log ${files.audit}: goes on in the same file`,
        ]
      ) assert.ok(said.replaceAll('"', "").includes(`SIGHUP: ${part}`), `${part} in:\n${said}`);
    });

    await t.step("all of it is broken", async () => {
      await Deno.writeTextFile(files.auth, "operators: [{");
      await Deno.writeTextFile(files.config, "log-level: loud\n");
      await Deno.writeTextFile(files.cert, "no certificate");
      const said = await reload(hub);
      assert.equal(said.match(/is NOT applied, what was before still is/g)?.length, 3, said);
      assert.match(said, /SIGHUP: looked at 4 parts, 1 of them are good/);
      ok(await client.unary({}));
      await assertSameTunnel(world, tunnel);
    });

    await t.step("all of it is mended, and has changed", async () => {
      await Deno.writeTextFile(files.auth, `${AUTH}operators: []\n`);
      await Deno.writeTextFile(files.config, "log-level: debug\nmax-memory: 1GiB\n");
      await writeCertificate();
      const said = await reload(hub);
      assert.match(said, /log level debug, format text; NOT before a restart: --max-memory/);
      // Each is watched as well: whoever looks first says so.
      assert.match(said.replaceAll('"', ""), /auth file \S+: (in force, it has changed|unchanged)/);
      assert.match(said.replaceAll('"', ""), /certificate \S+: (in use, it has changed|unchanged)/);
      assert.match(hub.stderr, /auth\.yaml has changed and is in force/);
      assert.match(hub.stderr, /own\.crt is another certificate, and is in use/);
      ok(await client.unary({}));
    });

    await t.step("the audit file was moved", async () => {
      await Deno.rename(files.audit, `${files.audit}.1`);
      assert.match(await reload(hub), /audit log .*goes on in a new file/);
      ok(await client.unary({}));
    });

    stream.call.end();
    assert.equal(ok(await stream.outcome).responses.length, 1, "a call lives through all of it");
    await assertSameTunnel(world, tunnel);
    client[Symbol.dispose](); // Before the hub's GOAWAY, which node:http2 may not survive.
    await hub.stop();
    const old = await Deno.readTextFile(`${files.audit}.1`);
    const now = await Deno.readTextFile(files.audit);
    assert.ok(old.includes("/echo.v1.Echo/Unary") && now.includes("/echo.v1.Echo/Unary"));
    const verified = await Process.run([
      ...source("hub/main.ts"),
      ...["audit", "verify", `${files.audit}.1`, files.audit],
    ]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("F3: ghub reload says what became of each part, and fails if one is broken", async () => {
  await using dir = await temporary();
  const config = `${dir.path}/ghub.yaml`;
  const state = ["--state-dir", `${dir.path}/state`];
  await Deno.writeTextFile(config, "log-level: info\n");
  const main = asBuilt("ghub");
  const reload = () => Process.run([...main, "reload", ...state]);
  const away = await reload();
  assert.equal(away.code, 1);
  assert.match(
    away.stderr,
    /^error: Nothing answers at .*reload\.sock[^]*\nhint: Check that ghub runs/,
  );
  // Without TLS, auth file and systemd it gives back the right to the network at its start.
  const listen = ["--tunnel-listen", "127.0.0.1:0", "--call-listen", "127.0.0.1:0"];
  const serve = [...main, "serve", ...listen, ...state, "--config", config];
  await using hub = Process.deno("ghub", serve);
  await hub.line(/^ghub ready/);
  const good = await reload();
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stdout, /^options and config file: unchanged\n/);
  await Deno.writeTextFile(config, "log-level: loud\n");
  const broken = await reload();
  assert.equal(broken.code, 1);
  assert.match(
    broken.stdout,
    /^options and config file is NOT applied, what was before still is: /,
  );
});

Deno.test("SIGHUP: gserver looks at its credentials, and dials at once if it waits", async (t) => {
  await using world = await World.start({ servers: [] });
  const token = `${world.dir}/server.token`;
  await Deno.writeTextFile(token, "w".repeat(40), { mode: 0o600 });
  const server = world.spawnServer({ name: "edge-1", args: ["--token-file", token] });
  await server.says(/next try in \d\d/); // A minute, for a wrong token.
  await t.step("a broken file", async () => {
    await Deno.writeTextFile(token, "two words");
    assert.match(await reload(server), /token file .* is NOT applied.*holds no token/);
  });
  await t.step("a good one", async () => {
    await Deno.writeTextFile(token, await Deno.readTextFile(`${world.dir}/hub/join.token`));
    // It looks by itself, too, and may have been faster.
    assert.match(await reload(server), /token file .*: ("good, a new tunnel is opened|unchanged)/);
    await server.line(/^gserver ready server=edge-1 /);
  });
  await t.step("nothing has changed", async () => {
    // The dial that it began at once may have met the look that found the token: then one more is due.
    await until("a reload that leaves the tunnel alone", async () => {
      const before = await listed(world, "edge-1");
      assert.match(await reload(server), /token file .*: unchanged/);
      const now = await listed(world, "edge-1");
      return now?.state === "ONLINE" && now.tunnelId === before?.tunnelId;
    });
  });
});

/** A terminal with our program in it, which goes away. */
const TERMINAL = `
import os, pty, sys, threading
pid, fd = pty.fork()
if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])
text = b""
while b"ghub ready" not in text: text += os.read(fd, 4096)
os.close(fd)
_, status = os.waitpid(pid, 0)
print("exit", os.waitstatus_to_exitcode(status), flush=True)
`;

Deno.test("SIGHUP from a terminal that goes away ends ghub in an orderly way", async () => {
  await using dir = await temporary();
  const { stdout } = await Process.output("/usr/bin/python3", [
    ...["-c", TERMINAL, ...commandLine(source("hub/main.ts"))],
    ...["--tunnel-listen", "127.0.0.1:0", "--call-listen", "127.0.0.1:0"],
  ], { env: { HOME: dir.path } });
  assert.equal(stdout, "exit 0\n");
});

async function temporary() {
  const path = await Deno.makeTempDir({ prefix: "ghub-reload-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
