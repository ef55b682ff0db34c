import assert from "node:assert/strict";
import { dryRunArgv, dryRunObstacle, readLaunch } from "./launch.ts";

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
    [
      ["fluentd", "--user", "u", "--group=g", "-d"],
      { daemon: true },
      ["fluentd", "--user", "u", "--group=g"],
    ],
    [["fluentd", "--dae", "pid", "--confi", "a"], { configPath: "a", daemon: true }, [
      "fluentd",
      "--confi",
      "a",
    ]],
    [["fluentd", "-vqc", "a", "-qq"], { configPath: "a", daemon: false }, [
      "fluentd",
      "-v",
      "-c",
      "a",
    ]],
    [["fluentd", "-i", "-d", "-c", "a"], { configPath: "a", daemon: false }, [
      "fluentd",
      "-i",
      "-d",
      "-c",
      "a",
    ]],
    [["fluentd", "-c", "my config.conf", "-s", "-v"], {
      configPath: "my config.conf",
      daemon: false,
    }, ["fluentd", "-c", "my config.conf", "-v"]],
    [["tini", "-v", "--", "/opt/x/fluentd", "-c", "a"], { configPath: "a", daemon: false }, [
      "tini",
      "-v",
      "--",
      "/opt/x/fluentd",
      "-c",
      "a",
    ]],
  ];
  for (const [argv, facts, dryRun] of table) {
    await t.step(argv.join(" "), () => {
      assert.deepEqual(readLaunch({ argv }), facts);
      const checked = dryRunArgv({ argv });
      assert.deepEqual(checked.filter((arg) => arg !== "--dry-run"), dryRun);
      assert.equal(checked.length, dryRun.length + 1);
    });
  }
});

Deno.test("readLaunch() takes the config from FLUENT_CONF when no argument names it", () => {
  const env = { FLUENT_CONF: "/e" };
  assert.equal(readLaunch({ argv: ["fluentd"], env }).configPath, "/e");
  assert.equal(readLaunch({ argv: ["fluentd", "-c", "/c"], env }).configPath, "/c");
});

Deno.test("G6: whatever disarms --dry-run is not in a check, however it is written", async (t) => {
  const ways = ["--no-supervisor", "--no-super", "--under-supervisor", "--un", "-d pid", "-dpid"];
  const more = ["--daemon=pid", "-s /etc", "--setup", "--version", "-h", "-o /log", "-qo/log"];
  for (const way of [...ways, ...more]) {
    await t.step(way, () => {
      const argv = ["/usr/bin/fluentd", ...way.split(" "), "-c", "a.conf"];
      assert.deepEqual(dryRunArgv({ argv }), ["/usr/bin/fluentd", "--dry-run", "-c", "a.conf"]);
    });
  }
});

Deno.test("G6: a command for a shell is not checked, because that would start it", () => {
  const obstacle = (...argv: string[]) => dryRunObstacle({ argv });
  assert.match(obstacle("/bin/sh", "-ec", "exec fluentd -c a") ?? "", /a text for \/bin\/sh/);
  assert.equal(obstacle("/bin/sh", "/usr/bin/fluentd", "-c", "a"), undefined);
  assert.equal(obstacle("fluentd", "-c", "sh"), undefined);
});
