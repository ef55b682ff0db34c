import assert from "node:assert/strict";
import { isRunning } from "./manager.ts";
import { SystemdManager } from "./systemd.ts";

Deno.test("G12: a unit between two lives is not told as given up", async (t) => {
  const { signal } = new AbortController();
  const table: [properties: string, activeState: string, running: boolean][] = [
    ["ActiveState=inactive\n", "inactive", false],
    ["ActiveState=failed\n", "failed", false],
    ["ActiveState=inactive\nJob=12\n", "activating", true],
    ["ActiveState=failed\nJob=12\n", "activating", true],
    ["ActiveState=deactivating\nJob=12\n", "deactivating", true],
  ];
  for (const [properties, activeState, running] of table) {
    await t.step(properties.trimEnd().replace("\n", ", "), async () => {
      const systemctl = ["printf", properties];
      const seen = await new SystemdManager({ unit: "x.service", systemctl }).observe({ signal });
      assert.deepEqual([seen.unit?.activeState, isRunning(seen)], [activeState, running]);
    });
  }
});

Deno.test("a takeover that would break an argument is refused, also of a unit", async (t) => {
  const { signal } = new AbortController();
  const systemctl = ["printf", "Id=x.service\\nType=forking\\nLoadState=loaded\\n"];
  const obstacle = (config: string) => {
    const start = JSON.stringify({ data: [["/usr/sbin/fluentd", ["fluentd", "-c", config], []]] });
    const none = JSON.stringify({ data: [] });
    const text = JSON.stringify({ data: "" });
    // Environment, UnsetEnvironment, EnvironmentFiles, User, Group, SupplementaryGroups, WorkingDirectory, folders.
    const rest = [none, none, none, text, text, none, text, ...Array(5).fill(none)];
    const lines = [start, ...rest].join("\n");
    const busctl = ["sh", "-c", 'printf "%s\\n" "$0"', lines];
    return new SystemdManager({ unit: "x.service", systemctl, busctl })
      .zeroDowntimeObstacle({ signal });
  };
  await t.step("a blank", async () => assert.match(await obstacle("/a b") ?? "", /breaks "\/a b"/));
  await t.step("none", async () => assert.equal(await obstacle("/a"), undefined));
});
