import assert from "node:assert/strict";
import { join } from "node:path";
import { FULL_BELOW_BYTES, onFullDisk, STATFS_MS } from "./disk.ts";
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

/** Mounts a file system whose daemon says nothing, as one of a server that has died. */
const SILENT = `
exec 3<>/dev/fuse
mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 silent "$1" && echo mounted
read -r _
`;

/** Whoever asks it waits until this is disposed of; `undefined` where there is no FUSE. */
async function silentDisk(path: string): Promise<AsyncDisposable | undefined> {
  const daemon = new Deno.Command("sh", {
    args: ["-c", SILENT, "sh", path],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = daemon.stdout.getReader();
  const { value } = await reader.read();
  const end = async () => {
    // Its descriptor is closed with it, which ends all that waits.
    await daemon.stdin.close();
    await daemon.status;
    await reader.cancel();
    await new Deno.Command("umount", { args: ["-l", path], stderr: "null" }).output();
  };
  if (value !== undefined) return { [Symbol.asyncDispose]: end };
  await end();
  return undefined;
}

Deno.test({
  name: "onFullDisk() waits STATFS_MS for a disk that does not answer, once and for no other one",
  ignore: !MAY_MOUNT,
  async fn(t) {
    await using dir = await tempDir();
    await using disk = await silentDisk(dir.path);
    if (disk === undefined) {
      console.warn("SKIPPED: a disk that does not answer, because there is no FUSE");
      return;
    }
    await using other = await tempDir();
    await using _full = await mounted(other.path, "size=16k");
    const places = [join(dir.path, "file"), other.path];
    await t.step("what else is full is told", async () => {
      assert.deepEqual(await onFullDisk(places), [other.path]);
    });
    await t.step(
      "it is not asked again while it is silent: that would keep a thread each time",
      async () => {
        const times = 10;
        const beganMs = performance.now();
        for (let i = 0; i < times; i++) await onFullDisk(places);
        assert.ok(performance.now() - beganMs < times / 2 * STATFS_MS);
      },
    );
  },
});
