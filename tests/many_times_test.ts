/**
 * What a built program takes and gives back: thousands of each, one after the other, and it holds as
 * many open files as before. The executables once forgot to give back places and files, which no
 * test of the sources could see.
 */
import assert from "node:assert/strict";
import { Status } from "../shared/grpc/status.ts";
import { builtPrograms } from "./support/built_programs.ts";
import { Process } from "./support/process.ts";
import { shakeHands } from "./support/raw_path.ts";
import { RawTunnel } from "./support/raw_tunnel.ts";
import { drop } from "./support/path.ts";
import { callOnce } from "./support/typed_client.ts";
import { until } from "./support/until.ts";

/** More than the hub has places for tunnels under way (512), and gserver for raw ones (750). */
const MANY = 2_000;
const OPERATIONS = 100;

/** Open file descriptors of a process. */
function files({ pid }: Process): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/** Open files of each program, when two looks in a row are the same. */
async function atRest(programs: readonly Process[]): Promise<readonly number[]> {
  let last: number[] = [];
  return await until("the programs to be at rest", () => {
    const now = programs.map(files);
    const same = now.every((count, i) => count === last[i]);
    last = now;
    return same ? now : undefined;
  });
}

async function repeat(times: number, once: (i: number) => Promise<void>): Promise<void> {
  for (let i = 1; i <= times; i++) await once(i);
}

Deno.test({
  name: "A6: built programs give back what tunnels, raw connections and Fluentd operations take",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const programs = await builtPrograms();
    const dir = await Deno.makeTempDir({ prefix: "ghub-many-" });
    try {
      const env = { HOME: dir, XDG_CACHE_HOME: `${dir}/cache` };
      await using hub = Process.start("ghub", `${programs}/ghub`, [
        ...["serve", "--tunnel-listen", "127.0.0.1:0", "--call-listen", "127.0.0.1:0"],
        ...["--state-dir", `${dir}/hub`, "--max-handshakes-per-second", "10000"],
      ], { env });
      const [, uri = "", address = ""] = await hub.line(/^ghub ready tunnel=(\S+) call=(\S+)/);
      await using server = Process.start("gserver", `${programs}/gserver`, [
        ...["serve", "edge-1", "--hub-uri", uri, "--state-dir", `${dir}/server`],
        // It ends at once: each Start writes twice to the file that remembers.
        ...["--fluentd-manager", "spawn", "--fluentd-command", "/bin/false"],
      ], { env });
      await server.line(/^gserver ready server=edge-1 /);

      const dial = async (i: number) => {
        using tunnel = await RawTunnel.open(uri, { name: `many-${i % 10}` });
        assert.equal(tunnel.status, 101, `tunnel ${i}: ${tunnel.answer}`);
      };
      const connect = async (i: number) => {
        const { socket, answer } = await shakeHands(address, { server: "edge-1" });
        assert.equal(answer.ok, true, `raw connection ${i}: ${answer.message}`);
        await drop(socket);
      };
      const start = async (i: number) => {
        const { code, details } = await callOnce(
          address,
          ["fluentd.v1.Fluentd", "Start"],
          { wait: { seconds: 10 }, skipValidate: true },
          { metadata: { "x-hub-server": "edge-1" } },
        );
        assert.equal(code, Status.OK, `operation ${i}: ${details}`);
      };
      // What is opened at the first time stays.
      for (const once of [dial, connect, start]) await once(0);
      const before = await atRest([hub, server]);
      await Promise.all([repeat(MANY, dial), repeat(MANY, connect), repeat(OPERATIONS, start)]);
      for (const [i, program] of [hub, server].entries()) {
        const held = before[i]!;
        await until(`${program.name} to hold ${held} files`, () => files(program) <= held)
          .catch(() => assert.fail(`${program.name} held ${held} files, now ${files(program)}`));
      }
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});
