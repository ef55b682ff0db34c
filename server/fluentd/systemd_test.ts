/**
 * The service with the systemd manager: a stand-in for `systemctl` (testdata/systemctl, no systemd
 * runs on test machines) before a real fluentd.
 */
import assert from "node:assert/strict";
import { fluentdCommand, simpleConfig } from "../../tests/support/fluentd.ts";
import { freePort } from "../../tests/support/free_port.ts";
import { listStats, readEnv, signalProcess } from "./system/proc.ts";
import { refused, type Story, tempDir, TestService, together, until } from "./testing/kit.ts";

const STAND_IN = new URL("./testdata/systemctl", import.meta.url).pathname;
/** The stand-in gives it to what it starts. */
const MARK = "GHUB_TEST_MACHINE";
const command = fluentdCommand();

interface UnitFile {
  load?: string;
  type?: string;
  restart?: string;
  exec?: string;
  env?: string;
}

/** A machine with these units; what runs on it is killed in the end. */
async function machine(units: Record<string, UnitFile>, aliases: Record<string, string> = {}) {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await tempDir());
  for (const name of ["units", "run", "cgroup"]) await Deno.mkdir(`${path}/${name}`);
  stack.defer(() => killAll(path));
  for (const [name, unit] of Object.entries(units)) {
    const lines = Object.entries(unit).map(([key, value]) => `${key}='${value}'\n`);
    await Deno.writeTextFile(`${path}/units/${name}`, lines.join(""));
  }
  for (const [alias, name] of Object.entries(aliases)) {
    await Deno.symlink(name, `${path}/units/${alias}`);
  }
  const open = (unit: string) =>
    TestService.open({
      manager: "systemd",
      unit,
      stateDir: `${path}/state`,
      systemd: {
        systemctl: ["env", `${MARK}=${path}`, STAND_IN, path],
        busctl: ["false"],
        journalctl: ["false"],
        cgroupRoots: [`${path}/cgroup`],
      },
    });
  return Object.assign(stack.move(), { path, open });
}

/**
 * Ends what a failed test left behind: only what carries this machine's own mark. Never by
 * session or group: those of a missing file would be 0, and that is everybody's.
 */
async function killAll(path: string): Promise<void> {
  // Until none is found: they take a moment to end, and may write to this machine until then.
  await until("the end of all processes", async () => {
    let found = false;
    for (const process of await listStats()) {
      if (await readEnv(process.pid, MARK) !== path) continue;
      found = true;
      await signalProcess(process, "SIGKILL");
    }
    return !found;
  });
}

/** A unit as fluent-package has it: log and config in variables. */
async function fluentdUnit(path: string, config: string, more: UnitFile = {}): Promise<UnitFile> {
  await Deno.writeTextFile(`${path}/fluent.conf`, config);
  return {
    exec: `${command?.join(" ")} --log $FLUENTD_LOG -c $FLUENTD_CONF`,
    env: `FLUENTD_LOG=${path}/fluentd.log FLUENTD_CONF=${path}/fluent.conf`,
    ...more,
  };
}

const stories: Record<string, Story> = {};

/** Adds a story; all are told by the test at the end of this file. */
function withFluentd(name: string, story: Story): void {
  stories[name] = story;
}

Deno.test("systemd: units that cannot be started are told apart", async () => {
  await using host = await machine({ "masked.service": { load: "masked" } });
  {
    await using service = await host.open("nothing.service");
    await refused(service.start(), "NOT_FOUND", "UNIT_NOT_FOUND");
    await refused(service.restart(), "NOT_FOUND", "UNIT_NOT_FOUND");
    assert.equal((await service.status()).health, "STOPPED");
  }
  await using service = await host.open("masked.service");
  const error = await refused(service.start(), "FAILED_PRECONDITION", "UNIT_MASKED");
  assert.match(error.message, /systemctl unmask masked\.service/);
});

withFluentd(
  "start, status, restart and stop of a healthy fluentd, by an alias",
  async () => {
    await using config = await tempDir();
    const unit = await fluentdUnit(config.path, simpleConfig());
    await using host = await machine({ "fluentd.service": unit }, {
      "td-agent.service": "fluentd.service",
    });
    await using service = await host.open("td-agent.service");
    const started = await service.start();
    assert.equal(started.status, "SUCCESS", started.failure?.message ?? "");
    const { after } = started;
    assert.deepEqual(
      [after?.manager, after?.unit, after?.activeState, after?.workers?.length],
      ["SYSTEMD", "fluentd.service", "active", 1],
    );
    assert.equal(after?.configPath, `${config.path}/fluent.conf`);
    assert.deepEqual(after?.sources, ["systemd", "proc", "sockets", "config", "log"]);
    await refused(
      service.restart({ mode: "ZERO_DOWNTIME" }),
      "UNIMPLEMENTED",
      "ZERO_DOWNTIME_UNSUPPORTED",
    );
    const restarted = await service.restart();
    assert.equal(restarted.status, "SUCCESS", restarted.failure?.message ?? "");
    assert.notEqual(restarted.after?.supervisor?.pid, after?.supervisor?.pid);

    // Those who may look may not always act.
    await Deno.writeTextFile(`${host.path}/deny`, "");
    const denied = await service.stop();
    assert.deepEqual([denied.status, denied.failure?.reason], ["FAILED", "AGENT_PRIVILEGE"]);
    assert.match(denied.failure?.message ?? "", /polkit/);
    await Deno.remove(`${host.path}/deny`);

    const stopped = await service.stop();
    assert.deepEqual([stopped.status, stopped.killed ?? false], ["SUCCESS", false]);
    assert.deepEqual([stopped.after?.health, stopped.after?.activeState], ["STOPPED", "inactive"]);
    assert.equal(stopped.after?.lastExit?.code ?? 0, 0);
    assert.equal((await service.stop()).status, "NOCHANGE");
  },
);

withFluentd("active is not healthy: a busy port is a CRASH_LOOP", async () => {
  using busy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using config = await tempDir();
  const unit = await fluentdUnit(config.path, simpleConfig({ port: busy.addr.port }));
  await using host = await machine({ "fluentd.service": unit });
  await using service = await host.open("fluentd.service");
  const started = await service.start();
  assert.deepEqual([started.status, started.failure?.reason], ["FAILED", "CRASH_LOOP"]);
  assert.match(started.failure?.message ?? "", /Address already in use/);
  assert.deepEqual([started.after?.activeState, started.after?.health], ["active", "CRASH_LOOP"]);
  const stopped = await service.stop();
  assert.equal(stopped.status, "SUCCESS", stopped.failure?.message ?? "");
});

withFluentd(
  "G12: a unit that restarts again and again is a CRASH_LOOP; given up, it is STOPPED and can start",
  async () => {
    await using config = await tempDir();
    const unit = await fluentdUnit(config.path, "<source>\n  @type nope\n</source>\n", {
      restart: "always",
    });
    await using host = await machine({ "fluentd.service": unit });
    await using service = await host.open("fluentd.service");
    await refused(service.start(), "FAILED_PRECONDITION", "CONFIG_INVALID");
    const started = await service.start({ skipValidate: true });
    assert.equal(started.status, "FAILED");
    // A look that comes late finds that systemd has given up.
    const { reason, message = "" } = started.failure ?? {};
    if (reason !== "CRASH_LOOP") {
      assert.match(`${reason}: ${message}`, /^EXITED: .*start-limit-hit/);
    }
    const failed = await until("the start limit, counted", async () => {
      const state = await service.status();
      // Another look may have come before this one, and count what this one has seen the next time.
      const counted = (state.restartsTotal ?? 0) >= 5;
      return state.result === "start-limit-hit" && counted ? state : undefined;
    });
    assert.deepEqual([failed.activeState, failed.health], ["failed", "STOPPED"]);
    // The limit does not stand in the way of a start after the cause is gone.
    await Deno.writeTextFile(`${config.path}/fluent.conf`, simpleConfig());
    const mended = await service.start();
    assert.equal(mended.status, "SUCCESS", mended.failure?.message ?? "");
    assert.equal((await service.stop()).status, "SUCCESS");
  },
);

withFluentd(
  "what a dead supervisor leaves in the control group is ended by Stop",
  async () => {
    await using config = await tempDir();
    const unit = await fluentdUnit(config.path, simpleConfig({ port: freePort() }));
    await using host = await machine({ "fluentd.service": unit });
    await using service = await host.open("fluentd.service");
    const { after } = await service.start();
    Deno.kill(after!.supervisor!.pid!, "SIGKILL");
    const orphaned = await until("ORPHANED", async () => {
      const state = await service.status();
      return state.health === "ORPHANED" ? state : undefined;
    });
    assert.deepEqual([orphaned.activeState, orphaned.lastExit?.signal], ["failed", "SIGKILL"]);
    const started = await service.start();
    assert.deepEqual([started.status, started.failure?.reason], ["FAILED", "ORPHANED"]);
    const stopped = await service.stop();
    assert.deepEqual([stopped.status, stopped.killed ?? false], ["SUCCESS", false]);
    assert.deepEqual(stopped.after?.workers, []);
  },
);

Deno.test({
  name: `systemd manager, stand-in systemctl, real fluentd: ${Object.keys(stories).length} stories`,
  ignore: command === undefined,
  fn: () => together(stories),
});
