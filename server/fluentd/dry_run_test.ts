/**
 * The dry run with a real fluentd: what it checks, what it leaves alone, and what it says.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fluentdCommand, simpleConfig } from "../../tests/support/fluentd.ts";
import { freePort } from "../../tests/support/free_port.ts";
import { run } from "./system/run.ts";
import { refused, tempDir, TestFluentd } from "./testing/kit.ts";

const command = fluentdCommand();
const ignore = command === undefined;
/** No run of the naive command may take longer: it would never end. */
const NAIVE_MS = 20_000;
/** A check takes a third of a second, and much longer on the slowest machine. */
const SLOW_MS = 240_000;
/** A user of every machine who is nobody's. */
const USER = "daemon";

Deno.test({
  name: "G6: with --no-supervisor a check does not collect, and ends",
  ignore,
  fn: async () => {
    using busy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const argv = [...command!, "--no-supervisor"];
    // A check that collected would meet the busy port; a check that is one does not.
    await using fluentd = await TestFluentd.open(
      simpleConfig({ port: busy.addr.port }),
      { command: argv },
    );
    const { signal } = new AbortController();
    const naive = [...argv, "-c", fluentd.configPath, "--dry-run"];
    const { stdout, stderr } = await run(naive, { timeoutMs: NAIVE_MS, signal })
      .catch((error) => ({ stdout: String(error), stderr: "" }));
    assert.match(stdout + stderr, /Address already in use|timed out|longer than/i);
    await fluentd.write(
      simpleConfig({ port: busy.addr.port }) + "<source>\n  @type nope\n</source>\n",
    );
    const error = await refused(fluentd.service.start(), "FAILED_PRECONDITION", "CONFIG_INVALID");
    assert.match(error.message, /Unknown input plugin 'nope'/);
    assert.doesNotMatch(error.message, /Address already in use/);
  },
});

Deno.test({
  name: "G9: a check with --user makes root_dir and storages that this user can write",
  ignore: ignore || Deno.uid() !== 0,
  fn: async () => {
    await using folder = await tempDir();
    await Deno.chmod(folder.path, 0o755);
    await Deno.mkdir(`${folder.path}/own`);
    const { uid } = await Deno.stat(`${folder.path}/own`);
    assert.equal(uid, 0);
    await new Deno.Command("chown", { args: [USER, `${folder.path}/own`] }).output();
    const config = simpleConfig({
      port: freePort(),
      system: `  root_dir ${folder.path}/root`,
    }) + `
<source>
  @type sample
  @id sample
  tag sample
  <storage>
    @type local
    path ${folder.path}/own/storage/sample.json
  </storage>
</source>
<source>
  @type nope
</source>
`;
    await using fluentd = await TestFluentd.open(config, {
      command: [...command!, "--user", USER],
    });
    await Deno.chmod(fluentd.dir, 0o755);
    await refused(fluentd.service.start(), "FAILED_PRECONDITION", "CONFIG_INVALID");
    const owner = async (path: string) => (await Deno.stat(`${folder.path}/${path}`)).uid;
    const wanted = await owner("own");
    assert.notEqual(wanted, 0);
    // The naive check drops --user: then both are root's.
    assert.deepEqual([await owner("root"), await owner("own/storage")], [wanted, wanted]);
  },
});

Deno.test({
  name: "G13: a missing gem is in the answer's sentence, and the stack after it",
  ignore,
  fn: async () => {
    await using folder = await tempDir();
    await Deno.writeTextFile(`${folder.path}/out_bad.rb`, 'require "no_such_gem"\n');
    await using fluentd = await TestFluentd.open("<match **>\n  @type bad\n</match>\n", {
      command: [...command!, "-p", folder.path],
    });
    const check = [...command!, "-p", folder.path, "-c", fluentd.configPath, "--dry-run"];
    const { signal } = new AbortController();
    const { stdout, stderr } = await run(check, { timeoutMs: SLOW_MS, signal });
    const naive = `${stdout}\n${stderr}`.trimEnd().split("\n").at(-1) ?? "";
    assert.doesNotMatch(naive, /no_such_gem/);
    const error = await refused(fluentd.service.start(), "FAILED_PRECONDITION", "CONFIG_INVALID");
    assert.match(error.message, /is invalid: cannot load such file -- no_such_gem/);
  },
});
