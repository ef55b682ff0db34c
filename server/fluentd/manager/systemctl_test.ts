import assert from "node:assert/strict";
import { refused } from "../testing/kit.ts";
import { parseProperties, parseShellWords, Systemctl } from "./systemctl.ts";

const { signal } = new AbortController();

Deno.test("parseShellWords() reads how systemctl prints a list", async (t) => {
  const table: [text: string, words: string[]][] = [
    ["", []],
    ["A=1 B= C=x=y", ["A=1", "B=", "C=x=y"]],
    ['A=1 "B=two words" C=3', ["A=1", "B=two words", "C=3"]],
    ['"A=say \\"hi\\""', ['A=say "hi"']],
  ];
  for (const [text, words] of table) {
    await t.step(JSON.stringify(text), () => assert.deepEqual(parseShellWords(text), words));
  }
});

Deno.test("parseProperties() keeps equal signs and joins what comes twice", () => {
  const found = parseProperties(
    "Id=a.service\nEnvironment=A=1\nOther=x\nEnvironmentFiles=/a\nEnvironmentFiles=/b\n",
  );
  assert.deepEqual(
    [found.Id, found.Environment, found.EnvironmentFiles, found.MainPID],
    ["a.service", "A=1", "/a /b", ""],
  );
});

Deno.test("Systemctl tells the kinds of refusal apart", async (t) => {
  const table: [said: string, status: Parameters<typeof refused>[1], reason: string][] = [
    ["Interactive authentication required.", "PERMISSION_DENIED", "AGENT_PRIVILEGE"],
    ["sudo: a password is required", "PERMISSION_DENIED", "AGENT_PRIVILEGE"],
    ["Access denied", "PERMISSION_DENIED", "AGENT_PRIVILEGE"],
    ["Failed to connect to bus: No such file or directory", "UNAVAILABLE", "SYSTEMD_UNREACHABLE"],
    [
      "System has not been booted with systemd as init system (PID 1).",
      "UNAVAILABLE",
      "SYSTEMD_UNREACHABLE",
    ],
  ];
  for (const [said, status, reason] of table) {
    await t.step(said, async () => {
      const command = ["/bin/sh", "-c", 'echo "$0" >&2; exit 1', said];
      const error = await refused(
        new Systemctl(command, "fluentd.service").start({ signal }),
        status,
        reason,
      );
      assert.ok(error.message.includes(said));
    });
  }
  await t.step("by an alias: polkit asks about the unit itself", async () => {
    const say =
      `case "$0" in show) echo Id=fluentd.service ;; *) echo "Access denied" >&2; exit 1; esac`;
    const systemctl = new Systemctl(["/bin/sh", "-c", say], "td-agent.service");
    await systemctl.show({ signal });
    const error = await refused(
      systemctl.start({ signal }),
      "PERMISSION_DENIED",
      "AGENT_PRIVILEGE",
    );
    assert.match(error.message, /it must name fluentd\.service\)/);
  });
  await t.step("no such program", async () => {
    const systemctl = new Systemctl(["/nonexistent/systemctl"], "fluentd.service");
    await refused(systemctl.show({ signal }), "UNAVAILABLE", "SYSTEMD_UNREACHABLE");
  });
});
