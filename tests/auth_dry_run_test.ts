/**
 * `ghub auth dry-run` over the audit of a real hub.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Status } from "../shared/grpc/status.ts";
import { AuthWorld, authYaml, GET, type Operator, STOP } from "./support/auth_world.ts";
import { bareCall, callFields } from "./support/bare_call.ts";
import { Process, source } from "./support/process.ts";
import { until } from "./support/until.ts";
import { shakeHands } from "./support/raw_path.ts";

/** A file that may get another name at any moment. */
function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** Lets a hub work for a while with some calls that pass and some that do not. */
async function leaveTraces(dir: string): Promise<void> {
  await using world = await AuthWorld.start({
    // Small files, so that some are put aside.
    options: { auditLog: `${dir}/audit.jsonl`, audit: { maxBytes: 1, maxFiles: 50 } },
  });
  /** What comes after it is written by itself, into the next file. */
  const written = (count: number, part: string) =>
    until("the audit to be written", () => {
      const names = [...Deno.readDirSync(dir)].map(({ name }) => name)
        .filter((name) => name.startsWith("audit.jsonl"));
      // A set: one that gets another name meanwhile is found twice.
      const texts = new Set(names.map((name) => readIfThere(`${dir}/${name}`)));
      return [...texts].join("").split(part).length - 1 >= count;
    });
  await written(5, '"kind":"registration"');
  const call = async (who: Operator, server: string, path: string) => {
    const more: [string, string][] = [
      ["x-hub-server", server],
      ["authorization", `Bearer ${world.token(who)}`],
    ];
    return (await bareCall(world.hub.callAddress, callFields({ path, more }))).status;
  };
  for (let i = 0; i < 5; i++) assert.equal(await call("prod", "edge-1", STOP), Status.OK);
  await written(5, '"kind":"call"');
  assert.equal(await call("prod", "edge-1", GET), Status.OK);
  assert.equal(await call("stopper", "edge-2", STOP), Status.OK);
  for (let i = 0; i < 2; i++) {
    assert.equal(await call("reader", "edge-1", STOP), Status.PERMISSION_DENIED);
  }
  assert.equal(await call("soc", "edge-2", GET), Status.OK);
  const { socket, answer } = await shakeHands(world.hub.callAddress, {
    server: "secret",
    token: world.token("prod"),
  });
  assert.equal(answer.ok, true);
  socket.destroy();
  await assert.rejects(world.register("lab-9", { token: world.token("root") }));
}

Deno.test("ghub auth dry-run tells what a new file would have changed in a real hub's audit", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-auth-" });
  const write = (name: string, yaml: string) =>
    Deno.writeTextFile(`${dir}/${name}`, yaml, { mode: 0o644 });
  try {
    await leaveTraces(dir);
    await Deno.writeTextFile(`${dir}/hmac.key`, "hmac".repeat(10), { mode: 0o600 });
    const old = authYaml();
    await write("old.yaml", old);
    const dryRun = async (yaml: string, ...more: string[]) => {
      await write("new.yaml", yaml);
      // As a shell's pattern gives them: the newest first.
      const files = [...Deno.readDirSync(dir)].map(({ name }) => name)
        .filter((name) => name.startsWith("audit.jsonl")).sort().map((name) => `${dir}/${name}`);
      assert.ok(files.length > 2, "nothing was put aside");
      return await Process.run([
        ...source("hub/main.ts"),
        ...["auth", "dry-run", `${dir}/new.yaml`, ...files, ...more],
      ]);
    };
    const against = ["--auth-file", `${dir}/old.yaml`];
    await t.step("the same file changes nothing", async () => {
      const { code, stdout, stderr } = await dryRun(old, ...against);
      assert.deepEqual([code, stderr], [0, ""], stdout);
      assert.match(stdout, /^no change: (\d+)$/m);
      assert.match(stdout, /^\d+ calls and registrations in \d+ files from 2\S+ to 2\S+$/m);
    });
    await t.step("by label, by method, newly allowed, in order of their number", async () => {
      const yaml = old
        .replace('labels: { env: prod }, methods: "*"', `labels: { env: prod }, methods: ${GET}`)
        .replace("[/fluentd.v1.Fluentd/Get*, /fluentd.v1.Fluentd/List]", "/fluentd.v1.Fluentd/*");
      const { code, stdout, stderr } = await dryRun(yaml, ...against);
      assert.equal(code, 3, stderr);
      assert.match(
        stdout,
        /^would be refused, and was not: 6\n {2}5 × "prod" calls "\/fluentd\.v1\.Fluentd\/Stop" of "edge-1": no allow rule permits it\n {6}first: \S+ \S+audit\.jsonl\S*:\d+ id \S+\n {2}1 × "prod" opens a raw connection to "secret": no allow rule/m,
      );
      assert.match(
        stdout,
        /^would be allowed, and was refused: 2\n {2}2 × "reader" calls .*Stop" of "edge-1"\n/m,
      );
      assert.doesNotMatch(stdout, /cannot be told/);
    });
    await t.step("servers that may no longer register", async () => {
      const { code, stdout } = await dryRun(
        old.replace("labels: { env: [prod, dev] }", "labels: { env: dev }"),
        ...against,
      );
      assert.equal(code, 3);
      assert.match(
        stdout,
        /"edges" registers "edge-1": "edges" may not claim the label "env=prod"/,
      );
    });
    await t.step("an operator that is no more", async () => {
      const { code, stdout } = await dryRun(old.replace("id: soc", "id: noc"), ...against);
      assert.equal(code, 3);
      assert.match(stdout, /1 × "soc" calls .* of "edge-2": there is no operator "soc"/);
    });
    await t.step("what cannot be told is not guessed", async () => {
      await Deno.writeTextFile(`${dir}/audit.jsonl`, "{half a line", { append: true });
      const { code, stdout, stderr } = await dryRun(old);
      assert.equal(code, 4, stdout);
      assert.match(
        stdout,
        /^cannot be told: 1\n {2}1 × somebody registers "lab-9": the audit does not say who/m,
      );
      assert.match(stderr, /^warning: \S+audit\.jsonl:\d+: is cut off\n/m);
      assert.match(stderr, /^note: credentials are taken to be as before: --auth-file/m);
    });
    await t.step("a file that cannot be used is no file without changes", async () => {
      const { code, stdout, stderr } = await dryRun("version: 1\nserver: []\n");
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, /new\.yaml:2:9: server: is unknown here/);
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
