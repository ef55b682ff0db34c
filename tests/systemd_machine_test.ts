/**
 * The machine with a real systemd that other tests use: it boots, shows what units do, and leaves
 * nothing when the test is killed.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Process, REPOSITORY } from "./support/process.ts";
import { SystemdMachine, systemdMissing } from "./support/systemd_machine.ts";
import { until } from "./support/until.ts";

const ignore = systemdMissing();

Deno.test({
  name: "a real systemd boots, runs units, and tells what they wrote",
  ignore,
  fn: async () => {
    await using machine = await SystemdMachine.boot();
    assert.equal((await machine.must("cat", "/proc/1/comm")).trim(), "systemd");
    await machine.write(
      "/etc/systemd/system/x.service",
      `[Service]
Type=oneshot
DynamicUser=yes
StateDirectory=x
ProtectSystem=strict
PrivateTmp=yes
ExecStart=/bin/sh -c 'id -un; echo "<3>bad news"; echo "$STATE_DIRECTORY"; exit 7'
`,
    );
    assert.equal((await machine.run("systemctl", "start", "x")).code, 1);
    const { Result, ExecMainStatus } = await machine.show("x", "Result", "ExecMainStatus");
    assert.deepEqual({ Result, ExecMainStatus }, { Result: "exit-code", ExecMainStatus: "7" });
    const journal = await machine.journal("x");
    const lines = journal.map(({ priority, message }) => `${priority} ${message}`);
    assert.ok(lines.includes("6 x"), lines.join("\n"));
    assert.ok(lines.includes("3 bad news"), lines.join("\n"));
    assert.ok(lines.includes("6 /var/lib/x"), lines.join("\n"));
    const who = await machine.must("busctl", "call", ...BUS, "GetConnectionUnixUser", "s", DBUS);
    assert.match(who, /^u \d+/);
    const polkit = await machine.run("pkcheck", "--help");
    assert.equal(polkit.code, 0, "polkit is not installed");
  },
});

const DBUS = "org.freedesktop.DBus";
const BUS = [DBUS, "/org/freedesktop/DBus", DBUS];

Deno.test({
  name: "a machine does not outlive the test that booted it, however that ends",
  ignore,
  fn: async () => {
    const module = `${REPOSITORY}tests/support/systemd_machine.ts`;
    const code = `
      import { SystemdMachine } from ${JSON.stringify(module)};
      const machine = await SystemdMachine.boot();
      console.log("booted", machine.path(""));
      await new Promise((resolve) => setTimeout(resolve, 1e9));`;
    const tmp = await Deno.makeTempDir();
    await using folder = new AsyncDisposableStack();
    folder.defer(() => Deno.remove(tmp, { recursive: true }));
    await using process = Process.deno("booter", ["eval", code], { env: { TMPDIR: tmp } });
    const [, proc = ""] = await process.line(/^booted (\S+)\/root$/);
    assert.ok(exists(proc));
    await process.kill();
    await until("the machine to end", () => !exists(proc));
    await until("its folder to be gone", () => [...Deno.readDirSync(tmp)].length === 0);
  },
});

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
