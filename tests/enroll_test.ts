/**
 * Each site has a token of its own, and tokens can be replaced while sites still have the old ones.
 *
 * @module
 */
import assert from "node:assert/strict";
import { makeAuthority, makeCertificate } from "../shared/tls/make.ts";
import { assertSameTunnel, listed } from "./support/facts.ts";
import { type Output, Process, source } from "./support/process.ts";
import { until } from "./support/until.ts";
import { type ServerSpec, World } from "./support/world.ts";

/** Runs ghub in the world's folder, for the world's hub. */
async function ghub(world: World, ...args: string[]): Promise<Output> {
  const all = [...source("hub/main.ts"), ...args, "--state-dir", `${world.dir}/hub`];
  return await Process.run(all, { cwd: world.dir });
}

async function enroll(world: World, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await ghub(world, "enroll", ...args);
  assert.equal(code, 0, stderr);
  return stdout;
}

const withToken = (world: World, name: string, file: string, args: string[] = []): ServerSpec => ({
  name,
  program: "gserver",
  args: ["--fluentd-manager", "none", "--token-file", `${world.dir}/${file}`, ...args],
});

Deno.test("F13: a server that is enrolled registers with its own token, and as nobody else", async (t) => {
  await using world = await World.start({ servers: [] });
  await t.step("the lines to run there hold no secret", async () => {
    const args = ["--hub-uri", "wss://hub.example/ws", "--labels", "env=prod,site=ams"];
    const lines = await enroll(world, "edge-1", ...args);
    assert.deepEqual(lines.trimEnd().split("\n"), [
      "# Bring gserver, edge-1.token to edge-1, and run there:",
      "chmod 755 gserver && chmod 600 edge-1.token",
      "./gserver serve edge-1 --hub-uri wss://hub.example/ws --token-file edge-1.token " +
      "--labels env=prod,site=ams",
    ]);
    const token = (await Deno.readTextFile(`${world.dir}/edge-1.token`)).trim();
    assert.equal(Deno.statSync(`${world.dir}/edge-1.token`).mode! & 0o777, 0o600);
    const entry = await Deno.readTextFile(`${world.dir}/hub/enrolled/edge-1.yaml`);
    assert.ok(!entry.includes(token) && !lines.includes(token));
  });
  await t.step("the lines name all hubs that it shall know", async () => {
    await Deno.writeTextFile(`${world.dir}/hub/cluster.json`, "{}");
    const [a, b] = ["wss://hub-a.example/ws", "wss://hub-b.example/ws"];
    const lines = await enroll(world, "edge-9", "--hub-uri", `${a}`, "--hub-uri", `${b}`);
    assert.ok(lines.includes(`gserver serve edge-9 --hub-uri ${a} --hub-uri ${b} `), lines);
    const one = await ghub(world, "enroll", "edge-8", "--hub-uri", `${a}`);
    assert.match(one.stderr, /this hub is one of a cluster: repeat --hub-uri/);
    assert.match(
      one.stderr,
      /other hubs do not know the token: copy \S+\/enrolled\/edge-8\.yaml to/,
    );
    const gone = await ghub(world, "unenroll", "edge-8");
    assert.match(gone.stderr, /run ghub unenroll edge-8 at each of the others, too/);
    await Deno.remove(`${world.dir}/hub/cluster.json`);
    const alone = await ghub(world, "unenroll", "edge-9");
    assert.equal(alone.stderr, "");
  });
  await t.step("under its name, with its labels", async () => {
    await world.hub.says(/1 server is enrolled/);
    await world.startServer(
      withToken(world, "edge-1", "edge-1.token", ["--labels", "env=prod,site=ams"]),
    );
    assert.equal((await listed(world, "edge-1"))?.labels?.["site"], "ams");
  });
  await t.step("not under another name, nor with other labels", async () => {
    const other = world.spawnServer(withToken(world, "edge-2", "edge-1.token"));
    await other.says(/403: "edge-1" may not register the name "edge-2": .*gserver serve edge-1/);
    await other.stop();
    const label = ["--labels", "env=test"];
    const third = world.spawnServer(withToken(world, "edge-1", "edge-1.token", label));
    await third.says(/403: "edge-1" may not claim the label "env=test"/);
    await third.stop();
  });
  await t.step("it is no operator's token", async () => {
    const token = ["--token-file", `${world.dir}/edge-1.token`];
    const { stderr } = await world.gclient(["hub", "servers", ...token]);
    assert.match(stderr, /PERMISSION_DENIED: Wrong kind of token/);
  });
  await t.step("twice is a mistake, unless it is to be renewed", async () => {
    const { code, stderr } = await ghub(world, "enroll", "edge-1");
    assert.equal(code, 2);
    assert.match(stderr, /is enrolled already\nhint: Give --renew/);
  });
  await t.step(
    "a renewal does not overwrite the token, and names another file for it",
    async () => {
      const { code, stderr } = await ghub(world, "enroll", "edge-1", "--renew");
      assert.equal(code, 2);
      assert.match(
        stderr,
        /edge-1\.token: it exists already.*\nhint: .*--token-file new\.token\n$/,
      );
    },
  );
  await t.step("what cannot be a name leaves nothing behind", async () => {
    const { code } = await ghub(world, "enroll", "..", "--token-file", "x.token");
    assert.notEqual(code, 0);
    assert.deepEqual([...Deno.readDirSync(world.dir)].filter(({ name }) => name === "x.token"), []);
  });
  await t.step("both tokens are good while one is replaced", async () => {
    const args = ["--renew", "--token-file", "new.token", "--keep", "1h"];
    const lines = await enroll(world, "edge-1", ...args);
    assert.match(lines, /^# Bring new\.token to edge-1.* in the place of its token file.* 5 s\n/);
    assert.doesNotMatch(lines, /gserver serve/);
    const tunnel = await listed(world, "edge-1");
    await world.hub.says(/is enrolled[^]*is enrolled/);
    await assertSameTunnel(world, tunnel);
    await world.server("edge-1").stop();
    await world.startServer(withToken(world, "edge-1", "new.token", ["--labels", "site=ams"]));
    const { stdout } = await ghub(world, "enrolled");
    assert.equal(stdout, "edge-1  env=prod,site=ams  2 tokens\n");
  });
  await t.step("unenroll ends its tunnel, and its tokens are good no more", async () => {
    const server = world.server("edge-1");
    assert.equal((await ghub(world, "unenroll", "edge-1")).code, 0);
    await server.says(/401: Wrong token: no server is enrolled with this token .*ghub unenroll/);
    const { stderr } = await world.gclient(["fluentd", "status", "edge-1"]);
    assert.match(stderr, /is away[^]*no server is enrolled with this token[^]*hint: .*ghub enroll/);
    assert.doesNotMatch(stderr, /--wait-for-server/);
    assert.equal((await ghub(world, "unenroll", "edge-1")).code, 2);
  });
});

Deno.test("F13: the lines name the authority of the hub's certificate, or say that it must be named", async () => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-enroll-" });
  try {
    await Deno.mkdir(`${dir}/hub`, { mode: 0o700 });
    await makeAuthority({ out: `${dir}/ca.crt`, name: "Example" });
    const [out, authority] = [`${dir}/hub.crt`, { certFile: `${dir}/ca.crt` }];
    await makeCertificate({ out, hosts: ["hub.example"], authority });
    const run = async (name: string, env: Record<string, string>) => {
      const args = ["enroll", name, "--hub-uri", "wss://hub.example/ws", "--state-dir", "hub"];
      const result = await Process.run([...source("hub/main.ts"), ...args], { cwd: dir, env });
      assert.equal(result.code, 0, result.stderr);
      return result;
    };
    const found = await run("edge-1", { GHUB_TLS_CERT: out });
    assert.match(found.stdout, /^# Bring gserver, .*\/ca\.crt, .* --tls-ca-cert-file ca\.crt /s);
    assert.equal(found.stderr, "");
    const unknown = await run("edge-2", {});
    assert.match(unknown.stderr, /^note: no --ca, .* --ca ca\.crt/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("F13: only a name that a server can have is enrolled, and nothing else is taken away", async () => {
  await using world = await World.start({ servers: [] });
  for (const name of ["two words", "Edge-1", "../edge-1"]) {
    const { code, stderr } = await ghub(world, "enroll", name, "--token-file", "x.token");
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^error: "[^"]+" is not a server name\nhint: A name is /);
  }
  await Deno.writeTextFile(`${world.dir}/hub/mine.yaml`, "");
  const { code, stderr } = await ghub(world, "unenroll", "../mine");
  assert.equal(code, 2, stderr);
  assert.match(stderr, /^error: "..\/mine" is not enrolled\nhint: Run "ghub enrolled"/);
  await Deno.stat(`${world.dir}/hub/mine.yaml`);
});

Deno.test("F13: a site that has the join token cannot take the name of an enrolled one", async (t) => {
  await using world = await World.start({ servers: [] });
  const join = (name: string) => withToken(world, name, "hub/join.token");
  await world.startServer(join("edge-1"));
  await t.step("who is enrolled goes on with the join token until its own has come", async () => {
    const tunnel = await listed(world, "edge-1");
    await enroll(world, "edge-1");
    await world.hub.says(/1 server is enrolled/);
    await assertSameTunnel(world, tunnel);
    await world.server("edge-1").stop();
    await world.startServer(withToken(world, "edge-1", "edge-1.token"));
  });
  await t.step("from then on the name is its own, and other names are free", async () => {
    const thief = world.spawnServer(join("edge-1"));
    await thief.says(/403: "edge-1" is enrolled with a token of its own/);
    await thief.stop();
    await world.startServer(join("edge-2"));
  });
  await t.step(
    "a name that was never registered is reserved as soon as it is enrolled",
    async () => {
      await enroll(world, "edge-3");
      await world.hub.says(/2 servers are enrolled/);
      const thief = world.spawnServer(join("edge-3"));
      await thief.says(/403: "edge-3" is enrolled with a token of its own/);
      await thief.stop();
      await world.startServer(withToken(world, "edge-3", "edge-3.token"));
    },
  );
  await t.step("also after a restart of the hub", async () => {
    await world.server("edge-1").stop();
    await world.hub.stop();
    await world.startHub();
    const thief = world.spawnServer(join("edge-1"));
    await thief.says(/403: "edge-1" is enrolled with a token of its own/);
    await thief.stop();
  });
});

Deno.test("F13: replacing the join token locks nobody out", async (t) => {
  await using world = await World.start({ servers: [] });
  const state = `${world.dir}/hub`;
  await Deno.copyFile(`${state}/join.token`, `${world.dir}/old.token`);
  await world.startServer(withToken(world, "edge-1", "old.token"));
  const tunnel = await listed(world, "edge-1");
  const tokens = () =>
    [...Deno.readDirSync(state)].map(({ name }) => name).filter((name) => /\.token$/.test(name));

  await t.step("it was removed: the old one is kept beside a new one", async () => {
    await Deno.remove(`${state}/join.token`);
    await world.hub.says(/join\.token was removed: a new join token is made/);
    await until("two join tokens", () => tokens().length === 3);
    assert.notEqual(
      await Deno.readTextFile(`${state}/join.token`),
      await Deno.readTextFile(`${world.dir}/old.token`),
    );
    await assertSameTunnel(world, tunnel);
  });
  await t.step("both are good, also after a restart", async () => {
    await world.hub.stop();
    await world.startHub();
    await world.server("edge-1").line(/^gserver ready/);
    await world.startServer(withToken(world, "edge-2", "hub/join.token"));
  });
  await t.step("removed just before a restart, it is kept as well", async () => {
    await Deno.copyFile(`${state}/join.token`, `${world.dir}/second.token`);
    await Deno.remove(`${state}/join.token`);
    await world.hub.stop();
    await world.startHub();
    assert.equal(tokens().length, 4);
    await world.startServer(withToken(world, "edge-3", "second.token"));
  });
  await t.step(
    "the file of an old one is removed: its servers are out, the others are not",
    async () => {
      const old = await Deno.readTextFile(`${world.dir}/old.token`);
      for (const name of tokens()) {
        const path = `${state}/${name}`;
        if (await Deno.readTextFile(path) === old) await Deno.remove(path);
      }
      await world.server("edge-1").says(/401: Wrong token/);
      assert.equal((await listed(world, "edge-3"))?.state, "ONLINE");
    },
  );
});
