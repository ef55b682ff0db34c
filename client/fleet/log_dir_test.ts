import assert from "node:assert/strict";
import { UsageError } from "../../shared/cli/program.ts";
import { LogDir } from "./log_dir.ts";

/** A test with a folder of its own. */
function withFolder(run: (dir: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const dir = await Deno.makeTempDir();
    try {
      await run(dir);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  };
}

Deno.test(
  "a LogDir replaces a symbolic link, and does not write where it leads",
  withFolder(async (dir) => {
    const [logs, other] = [`${dir}/logs`, `${dir}/other`];
    await Deno.mkdir(logs);
    await Deno.writeTextFile(other, "of another program");
    for (const name of ["a.stdout", "a.stderr", "hosts.failed", "hosts.succeeded"]) {
      await Deno.symlink(other, `${logs}/${name}`);
    }
    using log = await LogDir.open(logs);
    await log.begin("a");
    await log.add("a", "stdout", "one\n");
    await log.add("a", "stdout", "two\n");
    await log.add("a", "stderr", "three\n");
    log.end("a");
    await log.sort({ succeeded: ["a"], failed: [], untried: [] });
    assert.equal(Deno.readTextFileSync(other), "of another program");
    const kept = ["a.stdout", "a.stderr", "hosts.failed", "hosts.succeeded"].map((name) => {
      assert.equal(Deno.lstatSync(`${logs}/${name}`).isFile, true, name);
      assert.equal(Deno.lstatSync(`${logs}/${name}`).mode! & 0o777, 0o600, name);
      return Deno.readTextFileSync(`${logs}/${name}`);
    });
    assert.deepEqual(kept, ["one\ntwo\n", "three\n", "", "a\n"]);
  }),
);

Deno.test(
  "a LogDir writes to the files that it has made, whatever takes their names meanwhile",
  withFolder(async (dir) => {
    const other = `${dir}/other`;
    await Deno.writeTextFile(other, "");
    using log = await LogDir.open(`${dir}/logs`);
    await log.begin("a");
    await Deno.remove(`${dir}/logs/a.stdout`);
    await Deno.symlink(other, `${dir}/logs/a.stdout`);
    await log.add("a", "stdout", "secret");
    assert.equal(Deno.readTextFileSync(other), "");
  }),
);

Deno.test(
  "a LogDir that cannot be written says so before anybody is called",
  withFolder(async (dir) => {
    await Deno.writeTextFile(`${dir}/file`, "");
    await assert.rejects(LogDir.open(`${dir}/file`), UsageError);
  }),
);
