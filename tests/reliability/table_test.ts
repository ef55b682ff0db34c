/**
 * The table in docs/reliability.md is true: each of its rows has the test that it names.
 */
import assert from "node:assert/strict";
import { REPOSITORY } from "../support/process.ts";

const ROWS = 26;
const read = (path: string) => Deno.readTextFileSync(`${REPOSITORY}${path}`);

/** Where a test that is not of this folder says what the row asks for. */
const ELSEWHERE: Readonly<Record<string, RegExp>> = {
  "server/tunnel/retry_policy_test.ts": /stable|30/,
  "tests/call_suite/flow.ts": /slow|pause/i,
};

Deno.test("each row of docs/reliability.md has a test that is named after it", () => {
  const rows = [...read("docs/reliability.md").matchAll(/^\| (\d+) +\|.*\| `([^`]+)` +\|$/gm)];
  assert.deepEqual(
    rows.map(([, row]) => Number(row)),
    Array.from({ length: ROWS }, (_, i) => i + 1),
  );
  for (const [, row = "", file = ""] of rows) {
    const named = ELSEWHERE[file] ?? new RegExp(`Deno\\.test\\(\\s*"(rows? [^,"]*\\b${row}\\b)`);
    assert.match(read(file), named, `row ${row} in ${file}`);
  }
});

/** Sections of what was seen in the field, and how many rows each has. */
const FIELD: readonly (readonly [document: string, sections: Readonly<Record<string, number>>])[] =
  [
    ["docs/reliability.md", { A: 7, B: 12, C: 11, D: 5, E: 8, F: 15, H: 18 }],
    ["docs/fluentd.md", { G: 16 }],
  ];

for (const [document, sections] of FIELD) {
  const names = Object.keys(sections).join("");
  Deno.test(`each fault in ${document} that was seen in the field has tests that are named after it`, () => {
    const line = new RegExp(`^\\| ([${names}]\\d+) +\\|.*\\| ([^|]*) \\|$`, "gm");
    const rows = [...read(document).matchAll(line)];
    assert.deepEqual(
      rows.map(([, row]) => row),
      Object.entries(sections).flatMap(([section, length]) =>
        Array.from({ length }, (_, i) => `${section}${i + 1}`)
      ),
    );
    for (const [, row = "", tests = ""] of rows) {
      const files = [...tests.matchAll(/`([^`]+)`/g)].map(([, file = ""]) => file);
      assert.ok(files.length > 0, `row ${row} names no test`);
      const named = new RegExp(`[ "\`]${row}(, [A-H]\\d+)*: `);
      for (const file of files) assert.match(read(file), named, `row ${row} in ${file}`);
      // Of Fluentd's, the naive answer is asserted to be another one.
      if (document !== "docs/fluentd.md") continue;
      assert.ok(files.some((file) => /naive/i.test(read(file))), `row ${row} is not naive`);
    }
  });
}

Deno.test("what decides about life, deadlines and retries reads no wall clock", () => {
  const files = [
    "hub/tunnels/handshake_rate.ts",
    "hub/relay/deadlines.ts",
    "hub/registry/flap_rule.ts",
    "hub/hub.ts",
    "hub/peer/socket_pump.ts",
    "hub/registry/registry.ts",
    "server/tunnel/heartbeat.ts",
    "server/tunnel/agent.ts",
    "server/tunnel/retry_policy.ts",
    "shared/async/backoff.ts",
  ];
  for (const file of files) assert.doesNotMatch(read(file), /Date\.now|new Date\(\)/, file);
});
