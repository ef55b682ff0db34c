import assert from "node:assert/strict";
import { IS_ROOT, NOBODY } from "../../tests/support/executable.ts";
import { type FakeHub, runClient, startFakeHub } from "../testing/fake_hub.ts";

/** A test with a hub, and a config folder of its own. */
function configTest(
  name: string,
  run: (hub: FakeHub, env: { XDG_CONFIG_HOME: string }) => Promise<void>,
): void {
  Deno.test(name, async () => {
    await using hub = await startFakeHub();
    const dir = await Deno.makeTempDir();
    try {
      await run(hub, { XDG_CONFIG_HOME: dir });
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });
}

const fileIn = ({ XDG_CONFIG_HOME }: { XDG_CONFIG_HOME: string }) =>
  `${XDG_CONFIG_HOME}/gclient/config.yaml`;

const STATUS = ["fluentd", "status", "-n"];

configTest(
  "a context leads to its hub, and is made, chosen, listed and deleted",
  async (hub, env) => {
    const gclient = (...args: string[]) => runClient(args, { env });
    assert.equal((await gclient("config", "set-context", "here", "-s", hub.address)).code, 0);
    assert.equal(Deno.statSync(fileIn(env)).mode! & 0o777, 0o600);
    assert.equal((await gclient(...STATUS)).code, 0);
    await gclient("config", "set-context", "away", "-s", "127.0.0.1:1", "--server", "edge-7");
    assert.equal((await gclient("config", "get-contexts", "-o", "name")).out, "here\naway\n");
    const { out } = await gclient("config", "get-contexts");
    assert.match(
      out,
      /^CURRENT +NAME +SERVER-ADDR +SERVER\n\* +here +127\.0\.0\.1:\d+ +-\n +- +away|/,
    );
    assert.equal((await gclient("config", "use-context", "away")).code, 0);
    assert.equal((await gclient(...STATUS)).code, 78);
    assert.equal((await gclient(...STATUS, "--context", "here")).code, 0);
    const missing = await gclient("config", "use-context", "gone");
    assert.equal(missing.code, 2);
    assert.match(missing.err, /There is no context "gone" in .*\nhint: It has here, away\n/);
    assert.match((await gclient(...STATUS, "--context", "gone")).err, /hint: It has here, away/);
    assert.equal((await gclient("config", "delete-context", "away")).code, 0);
    assert.doesNotMatch((await gclient("config", "view")).out, /away/);
    const completed = await gclient("__complete", ...STATUS, "--context", "");
    assert.equal(completed.out, "here\n");
  },
);

configTest("flag, environment, context and default, in this order", async (hub, env) => {
  const context = ["config", "set-context", "x", "-s", hub.address, "--server", "of-context"];
  await runClient(context, { env });
  const called = async (args: readonly string[], more: Record<string, string> = {}) => {
    const { code, err } = await runClient([...STATUS, ...args], { env: { ...env, ...more } });
    assert.equal(code, 0, err);
    return hub.calls.pop()!.metadata["x-hub-server"];
  };
  assert.equal(await called([]), "of-context");
  assert.equal(await called([], { GCLIENT_SERVER: "of-env" }), "of-env");
  assert.equal(await called(["--server", "of-flag"], { GCLIENT_SERVER: "of-env" }), "of-flag");
  assert.equal(await called(["named"], { GCLIENT_SERVER: "of-env" }), "named");
});

configTest(
  "who names another hub does not send it the token of the current context",
  async (hub, env) => {
    const secret = `${env.XDG_CONFIG_HOME}/token`;
    await Deno.writeTextFile(secret, "secret", { mode: 0o600 });
    await runClient(
      ["config", "set-context", "x", "-s", "127.0.0.1:1", "--token-file", secret],
      { env },
    );
    const token = async (args: readonly string[], more: Record<string, string> = {}) => {
      await runClient([...STATUS, ...args], { env: { ...env, ...more } });
      return hub.calls.pop()?.metadata["authorization"];
    };
    assert.equal(await token(["-s", hub.address]), undefined);
    assert.equal(await token([], { GCLIENT_SERVER_ADDR: hub.address }), undefined);
    // Named outright, it is meant.
    assert.equal(await token(["-s", hub.address, "--context", "x"]), "Bearer secret");
    const own = { GCLIENT_TOKEN: "own" };
    assert.equal(await token(["-s", hub.address, "--context", "x"], own), "Bearer own");
  },
);

configTest("a command gives the token, and one that fails is no call", async (hub, env) => {
  const dir = `${env.XDG_CONFIG_HOME}/gclient`;
  await Deno.mkdir(dir);
  const write = (command: string) =>
    Deno.writeTextFile(
      `${dir}/config.yaml`,
      `contexts:\n  x:\n    server-addr: ${hub.address}\n    token-command: ${command}\n`,
      { mode: 0o600 },
    );
  await write("[printf, from-command]");
  assert.equal((await runClient([...STATUS, "--context", "x"], { env })).code, 0);
  assert.equal(hub.calls.pop()?.metadata["authorization"], "Bearer from-command");
  for (
    const [command, says] of [
      ["[false]", 'Token command "false" ended with exit code 1'],
      ["[/nowhere/x]", 'Cannot run token command "/nowhere/x": there is no such file'],
      ['[printf, ""]', 'Token command "printf" is empty'],
    ] as const
  ) {
    await write(command);
    const { code, err } = await runClient([...STATUS, "--context", "x"], { env });
    assert.deepEqual([code, hub.calls.length], [2, 0]);
    assert.ok(err.includes(says), err);
  }
  await write("[printf, x]");
  await Deno.chmod(`${dir}/config.yaml`, 0o666);
  const { code, err } = await runClient([...STATUS, "--context", "x"], { env });
  assert.equal(code, 2);
  assert.match(err, /others may change it; run: chmod go-w/);
});

Deno.test({
  name: "a config file of another user names no command, however it came there",
  ignore: !IS_ROOT,
  fn: async (t) => {
    const dir = await Deno.makeTempDir();
    try {
      const marker = `${dir}/it-ran`;
      const theirs = `${dir}/theirs.yaml`;
      await Deno.writeTextFile(
        theirs,
        `contexts: { x: { token-command: [touch, "${marker}"] } }\n`,
      );
      await Deno.chmod(theirs, 0o644);
      await Deno.chown(theirs, NOBODY, NOBODY);
      const link = `${dir}/link.yaml`;
      await Deno.symlink(theirs, link);
      for (const [way, file] of [["itself", theirs], ["by a link", link]] as const) {
        await t.step(way, async () => {
          const words = [...STATUS, "-s", "127.0.0.1:1", "--config", file, "--context", "x"];
          const { code, err } = await runClient(words);
          assert.equal(code, 2);
          assert.match(
            err,
            /Cannot read config file ".*": it belongs to user 65534, who could change it/,
          );
          await assert.rejects(Deno.stat(marker), Deno.errors.NotFound);
        });
      }
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

configTest("without a file nothing is different", async (hub, env) => {
  assert.equal((await runClient([...STATUS, "-s", hub.address], { env })).code, 0);
  const { code, err } = await runClient([...STATUS, "--context", "x"], { env });
  assert.equal(code, 2);
  assert.match(err, /Cannot read config file ".*\/gclient\/config.yaml": there is no such file/);
});

Deno.test({
  name: "config writes nothing into a folder of another user",
  ignore: !IS_ROOT,
  fn: async () => {
    const dir = await Deno.makeTempDir();
    try {
      const env = { XDG_CONFIG_HOME: dir };
      await Deno.mkdir(`${dir}/gclient`, { mode: 0o755 });
      await Deno.chown(`${dir}/gclient`, NOBODY, NOBODY);
      const { code, err } = await runClient(["config", "set-context", "x", "-s", "hub:1"], { env });
      assert.equal(code, 2);
      assert.match(err, /gclient: it belongs to user 65534, who could change it/);
      assert.deepEqual([...Deno.readDirSync(`${dir}/gclient`)], []);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});
