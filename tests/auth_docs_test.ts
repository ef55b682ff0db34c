/**
 * Each claim of docs/security.md points to a test that there is.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parseAuthFile } from "../hub/auth/auth_file.ts";
import { parsePolicy } from "../server/policy/policy_file.ts";
import { REPOSITORY } from "./support/process.ts";

const text = await Deno.readTextFile(`${REPOSITORY}docs/security.md`);
const claims = text.split("## Claims and their tests")[1]!.split("\n## ")[0]!;
const rows = [...claims.matchAll(/^\| (.+?) +\| `(.+?)` +\| (.+?) +\|$/gm)];

Deno.test("each claim of docs/security.md has its test", async (t) => {
  assert.ok(rows.length > 20);
  for (const [, claim = "", file = "", named = ""] of rows) {
    await t.step(claim, async () => {
      const source = await Deno.readTextFile(`${REPOSITORY}${file}`);
      const NAMED = /(?:Deno\.test|t\.step)\((?:\{\s*name:)?\s*(["`])(.+?)\1,/gs;
      const names = [...source.matchAll(NAMED)].map((
        [, , name],
      ) => name);
      assert.ok(names.some((name) => name!.includes(named)), `${file} has no test "…${named}…"`);
    });
  }
});

Deno.test("the auth file in docs/security.md is one", () => {
  const yaml = /```yaml\n([^]+?)```/.exec(text)![1]!;
  const file = parseAuthFile("auth.yaml", yaml.replace("3b1f9a…", "b".repeat(64)));
  assert.equal(file.operators[0]!.rules.length, 3);
});

Deno.test("the policy in docs/security.md is one", () => {
  const yaml = /## A server's own policy[^]+?```yaml\n([^]+?)```/.exec(text)![1]!;
  const policy = parsePolicy("policy.yaml", yaml);
  const stop = { upstream: "", path: "/fluentd.v1.Fluentd/Stop" };
  assert.ok(policy.allows({ operator: "alice", how: "certificate" }, stop));
  assert.ok(!policy.allows({ operator: "alice", how: "token" }, stop));
});
