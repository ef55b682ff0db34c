/**
 * `ghub audit verify` as a process: what it says, and its exit codes, which scripts rely on.
 */
import assert from "node:assert/strict";
import { openAudit } from "../hub/audit/mod.ts";
import { Process, source } from "./support/process.ts";

Deno.test("ghub audit verify tells a chain that holds, one that is broken, and one it cannot read", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-audit-verify-" });
  const path = `${dir}/audit.jsonl`;
  const verify = (...args: string[]) =>
    Process.run([...source("hub/main.ts"), "audit", "verify", ...args]);
  try {
    for (const id of ["1", "2", "3"]) {
      await using audit = openAudit(path);
      audit.record({ kind: "call", who: "alice", peer: "", server: "edge-1", status: "OK", id });
    }
    const whole = await verify(path);
    assert.match(whole.stdout, /^3 lines from \S+ to \S+\nhead sha256:[0-9a-f]{64}\n$/);
    const [, head = ""] = /head (\S+)/.exec(whole.stdout) ?? [];
    const lines = await Deno.readTextFile(path);
    await Deno.writeTextFile(`${dir}/changed.jsonl`, lines.replace("alice", "mallo"));
    await Deno.writeTextFile(`${dir}/shorter.jsonl`, lines.split("\n").slice(0, 2).join("\n"));
    const table: [what: string, args: string[], code: number, says: RegExp][] = [
      ["with its head", [path, "--head", head], 0, /^$/],
      ["a changed line", [`${dir}/changed.jsonl`], 1, /audit is broken: .*changed\.jsonl:2: does/],
      ["an end cut off", [`${dir}/shorter.jsonl`, "--head", head], 1, /audit is broken: .*shorter/],
      ["another head", [path, "--head", "0".repeat(63) + "1"], 1, /its end was cut off/],
      ["no such file", [`${dir}/none.jsonl`], 2, /Cannot read audit file .*none\.jsonl/],
      ["a folder", [dir], 2, /Cannot read audit file .*: it is a directory/],
      ["no head", [path, "--head", "hello"], 2, /"hello" is not the head of an audit[^]*sha256:/],
      ["no files", [], 2, /files/],
    ];
    for (const [what, args, code, says] of table) {
      await t.step(what, async () => {
        const run = await verify(...args);
        assert.match(run.stderr, says);
        assert.equal(run.code, code);
      });
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("B2: ghub audit verify tells of lines that were dropped, and of refusals that were summed up", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-audit-verify-" });
  const verify = (path: string) => Process.run([...source("hub/main.ts"), "audit", "verify", path]);
  const line = { peer: "192.0.2.7", server: "", id: "1" } as const;
  try {
    await t.step("summed up", async () => {
      const path = `${dir}/summed.jsonl`;
      {
        await using audit = openAudit(path);
        for (const times of [4000, 711]) {
          audit.record({ kind: "call", who: "", status: "UNAUTHENTICATED", times, ...line });
        }
      }
      const run = await verify(path);
      assert.equal(run.stderr, "note: 4711 refusals of strangers are told in sums\n");
      assert.equal(run.code, 0);
    });
    await t.step("dropped", async () => {
      const path = `${dir}/dropped.jsonl`;
      {
        await using audit = openAudit(path);
        const rest = JSON.stringify({ dropped: 7, kind: "call", ...line }).slice(1);
        audit.recordJson(rest);
      }
      const run = await verify(path);
      assert.equal(run.stderr, "warning: the hub says that it could not write 7 more lines\n");
      assert.equal(run.code, 3);
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
