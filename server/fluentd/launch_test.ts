import assert from "node:assert/strict";
import { dryRunArgv, readLaunch } from "./launch.ts";

Deno.test("readLaunch() and dryRunArgv() know fluentd's ways to write an option", async (t) => {
  const table: [argv: string[], facts: ReturnType<typeof readLaunch>, dryRun: string[]][] = [
    [["fluentd"], { daemon: false }, ["fluentd"]],
    [["fluentd", "-c", "a"], { configPath: "a", daemon: false }, ["fluentd", "-c", "a"]],
    [["fluentd", "-ca"], { configPath: "a", daemon: false }, ["fluentd", "-ca"]],
    [
      ["fluentd", "--config=a=b", "-v"],
      { configPath: "a=b", daemon: false },
      ["fluentd", "--config=a=b", "-v"],
    ],
    [
      ["fluentd", "-o", "x", "--log=y", "-c", "a", "-c", "b"],
      { configPath: "b", logPath: "y", daemon: false },
      ["fluentd", "-c", "a", "-c", "b"],
    ],
    [
      ["fluentd", "--log", "x", "--daemon", "pid", "-p", "plugins"],
      { logPath: "x", daemon: true },
      ["fluentd", "-p", "plugins"],
    ],
    [["fluentd", "--user", "u", "--group=g", "-d"], { daemon: true }, ["fluentd"]],
  ];
  for (const [argv, facts, dryRun] of table) {
    await t.step(argv.join(" "), () => {
      assert.deepEqual(readLaunch({ argv }), facts);
      assert.deepEqual(dryRunArgv({ argv }), [...dryRun, "--dry-run"]);
    });
  }
});

Deno.test("readLaunch() takes the config from FLUENT_CONF when no argument names it", () => {
  const env = { FLUENT_CONF: "/e" };
  assert.equal(readLaunch({ argv: ["fluentd"], env }).configPath, "/e");
  assert.equal(readLaunch({ argv: ["fluentd", "-c", "/c"], env }).configPath, "/c");
});
