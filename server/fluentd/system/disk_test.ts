import assert from "node:assert/strict";
import { join } from "node:path";
import { FULL_BELOW_BYTES, onFullDisk } from "./disk.ts";
import { tempDir } from "../testing/kit.ts";

Deno.test("onFullDisk() takes for full neither a disk with room nor what is no disk", async () => {
  await using dir = await tempDir();
  // A pipe and /proc have no size at all: a log may go to /dev/stdout, which is /proc/self/fd/1.
  const pipe = join(dir.path, "pipe");
  const { success } = await new Deno.Command("mkfifo", { args: [pipe] }).output();
  assert.ok(success);
  const places = [dir.path, join(dir.path, "none"), "/proc/self/status", "/dev/stdout", pipe];
  assert.deepEqual(await onFullDisk(places), []);
  // Nobody can say anything of what is not there, nor of what is in it.
  assert.deepEqual(await onFullDisk([join(dir.path, "none/none")]), []);
});

async function mounted(path: string, options: string): Promise<AsyncDisposable | undefined> {
  const mount = new Deno.Command("mount", {
    args: ["-t", "tmpfs", "-o", options, "tmpfs", path],
    stderr: "null",
  });
  const { success } = await mount.output();
  if (!success) return undefined;
  return {
    async [Symbol.asyncDispose]() {
      await new Deno.Command("umount", { args: ["-l", path] }).output();
    },
  };
}

const MAY_MOUNT = Deno.uid() === 0 &&
  new Deno.Command("unshare", { args: ["--mount", "true"] }).outputSync().success;
if (!MAY_MOUNT) console.warn("SKIPPED: full disks, which only root may mount");

Deno.test({
  name: "onFullDisk() finds disks without room for a line, or for another file",
  ignore: !MAY_MOUNT,
  async fn(t) {
    const table: [name: string, options: string, fill: number, full: boolean][] = [
      ["room for more", `size=${2 * FULL_BELOW_BYTES}`, FULL_BELOW_BYTES - 8192, false],
      ["less room than that", `size=${2 * FULL_BELOW_BYTES}`, FULL_BELOW_BYTES + 8192, true],
      ["room, and no file may be added", "size=1m,nr_inodes=2", 4096, true],
    ];
    for (const [name, options, fill, full] of table) {
      await t.step(name, async () => {
        await using dir = await tempDir();
        await using disk = await mounted(dir.path, options);
        assert.ok(disk, "it is mounted");
        const path = join(dir.path, "full");
        await Deno.writeFile(path, new Uint8Array(fill));
        const places = [path, path, join(dir.path, "none")];
        assert.deepEqual(await onFullDisk(places), full ? places.slice(1) : []);
      });
    }
  },
});
