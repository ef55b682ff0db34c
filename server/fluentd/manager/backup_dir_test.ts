import assert from "node:assert/strict";
import { fluentdCommand, simpleConfig } from "../../../tests/support/fluentd.ts";
import { backupObstacle } from "./backup_dir.ts";
import { readEnv } from "../system/proc.ts";
import { TestFluentd } from "../testing/kit.ts";

/** The user that owns nothing; only root can become it. */
const NOBODY = 65534;
const IS_ROOT = Deno.uid() === 0;

/** A process of a user who is not root, for which Fluentd's folder is `dir`. */
function startWith(dir: string): { readonly pid: number } & AsyncDisposable {
  const child = new Deno.Command("sleep", {
    args: ["600"],
    env: { FLUENT_BACKUP_DIR: dir },
    ...(IS_ROOT ? { uid: NOBODY, gid: NOBODY } : {}),
  }).spawn();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

Deno.test("A7: a takeover that could not keep what comes in meanwhile is known before", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-backup-" });
  try {
    const [config, elsewhere] = [`${dir}/fluent.conf`, `${dir}/root_dir.conf`];
    await Deno.writeTextFile(config, "<source>\n</source>\n");
    await Deno.writeTextFile(elsewhere, "<system>\n  root_dir /var/x\n</system>\n");
    await Deno.chmod(dir, 0o755);
    for (const [name, mode] of [["mine", 0o777], ["other", 0o555], ["filled", 0o777]] as const) {
      await Deno.mkdir(`${dir}/${name}`);
      await Deno.chmod(`${dir}/${name}`, mode);
    }
    await Deno.mkdir(`${dir}/filled/source-only-buffer`);
    await Deno.chmod(`${dir}/filled/source-only-buffer`, 0o555);
    const table: [name: string, folder: string, config: string, obstacle: RegExp | undefined][] = [
      ["a folder that it can write to", "mine", config, undefined],
      ["a folder of somebody else", "other", config, /cannot write to \S+\/other of UID/],
      [
        "a folder that is not there, in one of somebody else",
        "other/x/y",
        config,
        /\/other of UID/,
      ],
      ["what a takeover of another user left", "filled", config, /source-only-buffer of UID/],
      ["a configuration that names another place", "other", elsewhere, undefined],
      ["a configuration that cannot be read", "other", `${dir}/none.conf`, undefined],
    ];
    for (const [name, folder, path, expected] of table) {
      await t.step(name, async () => {
        await using process = startWith(`${dir}/${folder}`);
        const obstacle = await backupObstacle(process.pid, path);
        if (expected === undefined) assert.equal(obstacle, undefined);
        else assert.match(obstacle ?? "", expected);
      });
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

const command = fluentdCommand();

Deno.test({
  name: "A7: a fluentd of gserver's own keeps what a takeover needs in gserver's own folder",
  ignore: command === undefined,
  fn: async () => {
    await using fluentd = await TestFluentd.open(simpleConfig({}), { command: command! });
    const { status, after, failure } = await fluentd.service.start();
    assert.equal(status, "SUCCESS", failure?.message ?? "");
    const dir = await readEnv(after!.supervisor!.pid!, "FLUENT_BACKUP_DIR");
    assert.equal(dir, `${fluentd.stateDir}/fluentd-backup`);
    assert.equal((await fluentd.service.stop()).status, "SUCCESS");
  },
});
