import assert from "node:assert/strict";
import { fluentdVersions } from "../../tests/support/fluentd.ts";
import { MAX_FAILURES, MAX_KNOWN, type PluginName, PluginSchemas } from "./plugin_schemas.ts";
import { tempDir } from "./testing/kit.ts";

const { signal } = new AbortController();

/** A program of this name that writes down how it is called. */
async function scripted(dir: string, name: string, script: string): Promise<string> {
  const path = `${dir}/${name}`;
  await Deno.writeTextFile(path, `#!/bin/sh\necho "$@" >> ${dir}/${name}.calls\n${script}\n`);
  await Deno.chmod(path, 0o755);
  return path;
}

const TOOL = "fluent-plugin-config-format";
const HTTP: PluginName = { kind: "output", type: "http" };

/** A fluentd and its tool that stand in a folder. */
async function installed(dir: string, { version = "1.18.0", tool = "" } = {}) {
  const fluentd = await scripted(dir, "fluentd", `echo fluentd ${version}`);
  await scripted(dir, TOOL, tool || `echo '{"X":{"opaque":{"type":"string","secret":true}}}'`);
  return {
    launch: { argv: [fluentd, "-p", "/srv/plugins", "-c", "x.conf"] },
    calls: async () => {
      const text = await Deno.readTextFile(`${dir}/${TOOL}.calls`).catch(() => "");
      return text.split("\n").filter((line) => line !== "");
    },
  };
}

for (const { label, command } of fluentdVersions()) {
  Deno.test(`G8: a real Fluentd tells what its plugins hold secret${label}`, async () => {
    const schemas = new PluginSchemas();
    const names = [HTTP, { kind: "input", type: "forward" }, { kind: "output", type: "nope" }];
    assert.equal(schemas.get(HTTP), undefined);
    assert.ok(await schemas.learn(names, { argv: command }, { signal }));
    const http = schemas.get(HTTP)!;
    assert.equal(http.params.get("tls_private_key_passphrase"), true);
    assert.equal(http.params.get("endpoint"), false);
    assert.equal(http.sections.get("auth")?.params.get("password"), true);
    const forward = schemas.get(names[1]!)!;
    const security = forward.sections.get("security")!;
    assert.equal(security.sections.get("client")?.params.get("shared_key"), true);
    // It is a helper that adds this one.
    assert.equal(
      forward.sections.get("transport")?.params.get("private_key_passphrase"),
      true,
    );
    assert.equal(schemas.get(names[2]!), undefined);
    assert.equal(await schemas.learn(names, { argv: command }, { signal }), false);
  });
}

Deno.test("G8: the tool next to the very fluentd is asked once for each plugin and version", async () => {
  await using dir = await tempDir();
  let nowMs = 0;
  const schemas = new PluginSchemas({ now: () => nowMs });
  const { launch, calls } = await installed(dir.path);
  for (let i = 0; i < 3; i++) await schemas.learn([HTTP], launch, { signal });
  assert.equal(schemas.get(HTTP)?.params.get("opaque"), true);
  assert.deepEqual(await calls(), [
    "--verbose --compact --format=json -p /etc/fluent/plugin -p /srv/plugins -- output http",
  ]);
  // A day later a gem may be another one, and so may fluentd.
  nowMs += 24 * 3600_000;
  await installed(dir.path, { version: "1.19.0" });
  await schemas.learn([HTTP], launch, { signal });
  assert.equal((await calls()).length, 2);
});

Deno.test("G8: a type that is no name is never an argument of a command", async () => {
  await using dir = await tempDir();
  const schemas = new PluginSchemas();
  const { launch, calls } = await installed(dir.path);
  const types = ["--plugin=/tmp/x", "-rx", "../../x", "a b", "", "x".repeat(200), "a\nb"];
  const names = types.map((type) => ({ kind: "output", type }));
  assert.equal(await schemas.learn(names, launch, { signal }), false);
  assert.deepEqual(await calls(), []);
});

Deno.test("G8: a tool that gives no answer is left alone for a while, and others have their turn", async () => {
  await using dir = await tempDir();
  let nowMs = 0;
  const schemas = new PluginSchemas({ now: () => nowMs });
  const { launch, calls } = await installed(dir.path, { tool: "exit 1" });
  const names = Array.from({ length: 20 }, (_, i) => ({ kind: "output", type: `t${i}` }));
  await schemas.learn(names, launch, { signal });
  await schemas.learn(names, launch, { signal });
  assert.equal((await calls()).length, MAX_FAILURES);
  nowMs += 3600_000;
  await schemas.learn(names, launch, { signal });
  const asked = (await calls()).map((line) => line.split(" ").at(-1));
  assert.equal(new Set(asked).size, 2 * MAX_FAILURES);
});

Deno.test("G8: without the tool, or with Bundler, nothing is asked", async () => {
  await using dir = await tempDir();
  const { launch, calls } = await installed(dir.path);
  const bundled = { argv: [...launch.argv, "--gemfile", "Gemfile"] };
  assert.equal(await new PluginSchemas().learn([HTTP], bundled, { signal }), false);
  assert.deepEqual(await calls(), []);
  await Deno.remove(`${dir.path}/${TOOL}`);
  const schemas = new PluginSchemas();
  assert.equal(await schemas.learn([HTTP], launch, { signal }), false);
  assert.equal(await schemas.learn([HTTP], { argv: ["/nowhere/start"] }, { signal }), false);
  assert.equal(schemas.size, 0);
});

Deno.test("G8: answers of no more than MAX_KNOWN plugins are kept", async () => {
  assert.ok(MAX_KNOWN <= 1000);
  await using dir = await tempDir();
  const schemas = new PluginSchemas({ maxKnown: 3 });
  const { launch } = await installed(dir.path);
  const names = Array.from({ length: 5 }, (_, i) => ({ kind: "output", type: `t${i}` }));
  await schemas.learn(names, launch, { signal });
  assert.equal(schemas.size, 3);
  assert.equal(schemas.get(names[0]!), undefined);
  assert.ok(schemas.get(names.at(-1)!));
});

Deno.test({
  name:
    "G8: plugins are loaded with the rights of the service, and of the user that Fluentd becomes",
  ignore: Deno.uid() !== 0 || Deno.build.os !== "linux",
  fn: async () => {
    await using dir = await tempDir();
    await Deno.chmod(dir.path, 0o777);
    const tool = `touch "${dir.path}/as $(id -un)"; echo '{"X":{}}'`;
    const { launch } = await installed(dir.path, { tool });
    await new PluginSchemas().learn([HTTP], { ...launch, user: "nobody" }, { signal });
    const becomes = { argv: [...launch.argv, "--user", "daemon"], user: "root" };
    await new PluginSchemas().learn([HTTP], becomes, { signal });
    const names = [...Deno.readDirSync(dir.path)].map(({ name }) => name);
    assert.deepEqual(names.filter((name) => name.startsWith("as ")).sort(), [
      "as daemon",
      "as nobody",
    ]);
  },
});
