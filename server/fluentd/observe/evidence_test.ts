/**
 * Situations in which Fluentd looks well and is not, or looks ill and is well: each story asserts
 * first what a naive look would say, then that ours says what is so. All run with each fluentd of
 * `GHUB_FLUENTD_VERSIONS` too.
 */
import assert from "node:assert/strict";
import type { fluentd_v1_FluentdState as FluentdState } from "../../../shared/gen/types.ts";
import {
  type FluentdVersion,
  fluentdVersions,
  simpleConfig,
} from "../../../tests/support/fluentd.ts";
import { freePort } from "../../../tests/support/free_port.ts";
import { parseEvent } from "../log/events.ts";
import { REBUILD_MS } from "../log/story.ts";
import { readProcess } from "../system/proc.ts";
import { HUNG_MS } from "./monitor_memory.ts";
import { eachAsTest, refused, type Story, TestFluentd, until } from "../testing/kit.ts";

const versions = fluentdVersions();
const stories: Record<string, Story> = {};

/** Adds a story for each fluentd that `fits`. */
function row(
  name: string,
  story: (command: string[]) => Promise<void>,
  fits: (version: FluentdVersion) => boolean = () => true,
): void {
  for (const version of versions) {
    if (fits(version)) stories[name + version.label] = () => story(version.command);
  }
}

/** 1.16 and 1.17 have neither a zero-downtime restart nor `<log> path`. */
const isSince118 = ({ label }: FluentdVersion) => !/\(1\.(?:\d|1[0-7])\./.test(label);

function codes({ warnings = [] }: FluentdState): string[] {
  return warnings.map(({ code }) => code ?? "");
}

function said(state: FluentdState | undefined): string {
  return (state?.reasons ?? []).join("; ");
}

const input = (type: string, port: number, more = "") =>
  `<source>\n  @type ${type}\n  tag t\n  bind 127.0.0.1\n  port ${port}\n${more}</source>\n`;
const tcp = (port: number) => input("tcp", port, "  <parse>\n    @type none\n  </parse>\n");
const NOWHERE = "<match **>\n  @type null\n</match>\n";

function becomes({ service }: TestFluentd, health: FluentdState["health"]): Promise<FluentdState> {
  return until(`${health}`, async () => {
    const state = await service.status();
    return state.health === health ? state : undefined;
  });
}

const healthy = (fluentd: TestFluentd) => becomes(fluentd, "HEALTHY");

/** Starts it, and waits until it is healthy: all that a story needs before its own first step. */
async function running(fluentd: TestFluentd): Promise<FluentdState> {
  const { status, failure } = await fluentd.service.start();
  assert.equal(status, "SUCCESS", failure?.message ?? "");
  return await healthy(fluentd);
}

/** What fluentd itself has said, as far as it was caught. */
function logOf({ stateDir }: TestFluentd): Promise<string> {
  return Deno.readTextFile(`${stateDir}/fluentd.log`);
}

row(
  "G1: a takeover of which half failed is FAILED and DEGRADED, by its own line",
  async (command) => {
    const port = freePort();
    await using fluentd = await TestFluentd.open(input("forward", port) + NOWHERE, { command });
    const { service } = fluentd;
    assert.equal((await service.start()).status, "SUCCESS");
    using busy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await fluentd.write(input("forward", busy.addr.port) + NOWHERE);
    const { status, failure, after } = await service.restart({ mode: "ZERO_DOWNTIME" });
    const log = await logOf(fluentd);
    assert.match(log, /done all sequences, now new processes start to work fully/, "naive");
    assert.ok(await readProcess(after!.workers![0]!.pid!), "naive");
    assert.deepEqual([status, failure?.reason], ["FAILED_STARTED", "TAKEOVER_FAILED"]);
    assert.match(failure?.message ?? "", /failed to cancel source only.*Address already in use/);
    assert.equal(after?.health, "DEGRADED");
    const again = await service.start();
    assert.deepEqual([again.status, again.failure?.reason], ["FAILED", "DEGRADED"]);
  },
  isSince118,
);

row(
  "G2: a reload from outside that failed half-way is DEGRADED, though the monitor answers",
  async (command) => {
    const [lost, monitor] = [freePort(), freePort()];
    // Sources start last to first: the monitor is up again before the input before it fails.
    const config = (port: number) => tcp(port) + input("monitor_agent", monitor) + NOWHERE;
    await using fluentd = await TestFluentd.open(config(lost), {
      command,
      monitor: `127.0.0.1:${monitor}`,
    });
    const { service } = fluentd;
    const before = await running(fluentd);
    using busy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await fluentd.write(config(busy.addr.port));
    Deno.kill(before.workers![0]!.pid!, "SIGUSR2");
    const state = await becomes(fluentd, "DEGRADED");
    assert.equal(state.workers?.[0]?.pid, before.workers![0]!.pid, "naive: the same process");
    // Before it is said the reload is still under way: the monitor is up, and the input has not failed.
    const reason = await until("the reason", async () => {
      const text = said(await service.status());
      return /failed to reload config.*Address already in use/.test(text) ? text : undefined;
    });
    const naive = await until("the monitor", async () => {
      const state = await service.status();
      return state.workers?.[0]?.runsBy?.includes("monitor") ? state : undefined;
    });
    assert.equal(naive.health, "DEGRADED");
    assert.match(reason, /inputs and outputs do not/);
    const again = await service.start();
    assert.deepEqual([again.status, again.failure?.reason], ["FAILED", "DEGRADED"]);
    // Who comes later knows it as well.
    await fluentd.reopen();
    assert.equal((await fluentd.service.status()).health, "DEGRADED");
  },
);

row("G2: the sockets tell of a failed reload where the log may not", async (command) => {
  const [kept, lost] = [freePort(), freePort()];
  const quiet = "<system>\n  log_level fatal\n</system>\n";
  await using fluentd = await TestFluentd.open(quiet + tcp(lost) + tcp(kept) + NOWHERE, {
    command,
  });
  const { service } = fluentd;
  const after = await running(fluentd);
  using busy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await fluentd.write(quiet + tcp(lost) + tcp(busy.addr.port) + tcp(kept) + NOWHERE);
  Deno.kill(after.workers![0]!.pid!, "SIGUSR2");
  const state = await until("DEGRADED", async () => {
    const state = await service.status();
    // Each input is closed for a moment in a reload that goes well, too.
    const open = state.workers?.[0]?.listens?.includes(`tcp ${kept}`);
    return open && state.health === "DEGRADED" ? state : undefined;
  });
  assert.doesNotMatch(await logOf(fluentd), /failed to reload/, "naive: nothing is said");
  assert.match(said(state), new RegExp(`tcp ${lost} \\(tcp\\)`));
});

row(
  "G2: a reload that is refused some time after a good one has broken nothing",
  async (command) => {
    const port = freePort();
    await using fluentd = await TestFluentd.open(tcp(port) + NOWHERE, { command });
    const after = await running(fluentd);
    const { pid } = after.workers![0]!;
    Deno.kill(pid!, "SIGUSR2");
    const saidMs = async (type: "rebuild" | "rebuildFailed") => {
      const events = (await logOf(fluentd)).split("\n").map(parseEvent);
      for (const event of events) {
        if (event?.type === type && "timeMs" in event) return event.timeMs;
      }
    };
    const reloadedMs = await until("reload", () => saidMs("rebuild"));
    await fluentd.write("<source>\n  @type tcp\n");
    await until("some time", () => Date.now() - reloadedMs > REBUILD_MS + 1000);
    Deno.kill(pid!, "SIGUSR2");
    await until("refusal", () => saidMs("rebuildFailed"));
    const state = await healthy(fluentd);
    assert.ok(codes(state).includes("RELOAD_REFUSED"), "naive: the reload failed");
    assert.deepEqual(state.workers?.[0]?.listens, [`tcp ${port}`]);
  },
);

row("G3: a worker that never comes is asked for", async (command) => {
  using busy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const config = "<system>\n  workers 2\n  restart_worker_interval 600s\n</system>\n" +
    `<worker 1>\n${tcp(busy.addr.port)}</worker>\n${tcp(freePort())}${NOWHERE}`;
  await using fluentd = await TestFluentd.open(config, { command });
  const { service } = fluentd;
  // On a busy machine worker 0 may not be there yet.
  const named = /Worker (?:0, )?1 of 2 does not run/;
  const start = async (seconds: number) => {
    const started = await service.start({ wait: { seconds }, skipValidate: true });
    assert.equal(started.status, "FAILED", "not SUCCESS, however short the wait");
    return { ...started, message: started.failure?.message ?? "" };
  };
  // How soon worker 1 fails is the machine's: until then it lives, and nothing is missing.
  let started = await start(8);
  for (let s = 16; s <= 128 && !named.test(started.message); s *= 2) {
    await service.stop();
    started = await start(s);
  }
  assert.equal(started.failure?.reason, "START_TIMEOUT", started.message);
  assert.match(started.message, named);
  assert.equal(started.after?.expectedWorkers, 2);
  assert.notEqual(started.after?.health, "HEALTHY");
  await until("naive", async () => /now running worker=0/.test(await logOf(fluentd)));
  await becomes(fluentd, "DEGRADED");
  // Signals that Fluentd passes on to its workers would end it.
  const stopped = await service.stop({ flushFirst: true });
  assert.deepEqual([stopped.status, stopped.killed ?? false], ["SUCCESS", false]);
  assert.doesNotMatch(await logOf(fluentd), /No such process|ESRCH/);
});

row("G3: no signal is sent to a supervisor with a dead worker", async (command) => {
  const system = "workers 2\n  restart_worker_interval 600s";
  await using fluentd = await TestFluentd.open(simpleConfig({ port: freePort(), system }), {
    command,
  });
  const { service } = fluentd;
  const after = await running(fluentd);
  const [, second] = after.workers!;
  Deno.kill(second!.pid!, "SIGKILL");
  await until("its end", async () => (await readProcess(second!.pid!)) === undefined);
  const error = await refused(
    service.restart({ mode: "ZERO_DOWNTIME" }),
    "FAILED_PRECONDITION",
    "WORKER_MISSING",
  );
  assert.match(error.message, /worker 1 of 2 is dead/);
  assert.equal((await service.status()).supervisor?.pid, after?.supervisor?.pid, "not touched");
});

row("G4: one worker of two in a crash loop is never HEALTHY, not for one look", async (command) => {
  using busy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const config = "<system>\n  workers 2\n</system>\n" +
    `<worker 1>\n${tcp(busy.addr.port)}</worker>\n${tcp(freePort())}${NOWHERE}`;
  await using fluentd = await TestFluentd.open(config, { command });
  const { service } = fluentd;
  const started = await service.start();
  assert.deepEqual([started.status, started.failure?.reason], ["FAILED", "CRASH_LOOP"]);
  const looks: FluentdState[] = [];
  for (let i = 0; i < 30; i++) looks.push(await service.status());
  assert.ok(looks.some(({ workers = [] }) => workers.some(({ id = 0 }) => id === 0)), "naive");
  const healths = new Set(looks.map(({ health }) => health));
  // On a slow machine one look in many may fall into a worker's start, and says so.
  healths.delete("STARTING");
  assert.deepEqual([...healths], ["CRASH_LOOP"]);
});

/** Legal configs that each take a witness away. */
const SILENCED: Record<string, (dir: string) => string> = {
  "<log> path": (dir) => `<log>\n    path ${dir}/own.log\n  </log>`,
  "<log> time_format": () => "<log>\n    time_format %s\n  </log>",
  "log_level warn": () => "log_level warn",
  "log_level fatal": () => "log_level fatal",
};
for (const [what, system] of Object.entries(SILENCED)) {
  const story = async (command: string[]) => {
    await using fluentd = await TestFluentd.open("", { command });
    await fluentd.write(simpleConfig({ port: freePort(), system: system(fluentd.dir) }));
    const { service } = fluentd;
    const started = await service.start({ minHealthy: { seconds: 1 } });
    const own = (await logOf(fluentd)).split("\n").map(parseEvent);
    assert.equal(what === "<log> time_format" || !own.some((e) => e?.type === "running"), true);
    assert.equal(started.status, "SUCCESS", started.failure?.message ?? "");
    assert.ok(started.after?.workers?.[0]?.runsBy?.includes("sockets"));
    await healthy(fluentd);
    assert.equal((await service.start()).status, "NOCHANGE");
  };
  row(
    `G10: ${what} takes no readiness away`,
    story,
    (version) => what !== "<log> path" || isSince118(version),
  );
}

row("G10: with neither log nor sockets nor monitor, its life is the witness", async (command) => {
  const system = "<system>\n  log_level fatal\n</system>\n";
  const idle = "<source>\n  @type exec\n  tag t\n  command sleep 600\n  <parse>\n    @type none\n" +
    "  </parse>\n</source>\n";
  await using fluentd = await TestFluentd.open(system + idle + NOWHERE, { command });
  const { service } = fluentd;
  const started = await service.start();
  assert.equal(started.status, "SUCCESS", started.failure?.message ?? "");
  assert.deepEqual(started.after?.workers?.[0]?.runsBy, ["proc"]);
  await healthy(fluentd);
});

/** An output that starts when a file is there: later than inputs may be closed for. */
const LATE_PLUGIN = `
require 'fluent/plugin/output'
class LateStart < Fluent::Plugin::Output
  Fluent::Plugin.register_output('late_start', self)
  config_param :go, :string
  def process(tag, es); end
  def start
    super
    sleep 0.1 until File.exist?(@go)
  end
end
`;

row(
  "G10: inputs that are closed because the worker still loads are waited for",
  async (command) => {
    const port = freePort();
    await using fluentd = await TestFluentd.open("", {});
    const go = `${fluentd.dir}/go`;
    await fluentd.write(tcp(port) + `<match **>\n  @type late_start\n  go ${go}\n</match>\n`);
    await Deno.mkdir(`${fluentd.dir}/plugins`);
    await Deno.writeTextFile(`${fluentd.dir}/plugins/out_late_start.rb`, LATE_PLUGIN);
    await fluentd.reopen({ command: [...command, "-p", `${fluentd.dir}/plugins`] });
    const { service } = fluentd;
    const started = service.start();
    const state = await until("a worker of 11 s", async () => {
      const state = await service.status();
      const { startedAt } = state.workers?.[0] ?? {};
      const age = Date.now() / 1000 - Number(startedAt?.seconds ?? Infinity);
      return age > 11 ? state : undefined;
    });
    assert.deepEqual(
      [state.health, state.workers?.[0]?.listens],
      ["STARTING", []],
      "naive: closed",
    );
    await Deno.writeTextFile(go, "");
    const { status, failure } = await started;
    assert.equal(status, "SUCCESS", failure?.message ?? "");
  },
  // It takes its time, and they all start in the same order.
  ({ label }) => label === "",
);

row(
  "G10, G11: records of another Fluentd's log on stdout are no deaths, however many",
  async (command) => {
    // Padded, so that what Fluentd says of itself is soon far behind. And of later: a worker that began
    // before it was said did not die then, however long the machine takes to start it.
    const time = new Date(Date.now() + 3_600_000).toISOString().replace(/T(.*)\..*/, " $1 +0000");
    const record = `${time} [error]: Worker 0 exited unexpectedly with status 1 ${"x".repeat(500)}`;
    const config = `<source>\n  @type sample\n  tag t\n  rate 1000\n` +
      `  sample {"message":"${record}"}\n</source>\n` +
      "<match t>\n  @type stdout\n  <format>\n    @type single_value\n  </format>\n</match>\n";
    await using fluentd = await TestFluentd.open(config, { command });
    const { service } = fluentd;
    const started = await service.start({ minHealthy: { seconds: 2 } });
    assert.equal(started.status, "SUCCESS", started.failure?.message ?? "");
    await until("more than a look reads", async () => {
      return (await Deno.stat(`${fluentd.stateDir}/fluentd.log`)).size > 1024 * 1024;
    });
    const events = (await logOf(fluentd)).split("\n").map(parseEvent);
    assert.ok(events.filter((event) => event?.type === "exited").length > 100, "naive");
    const state = await healthy(fluentd);
    assert.deepEqual([state.workers?.[0]?.pid, state.restartsTotal ?? 0], [
      started.after?.workers?.[0]?.pid,
      0,
    ]);
    await fluentd.reopen();
    await healthy(fluentd);
  },
);

row("G14: a crash loop quotes no error of a former life", async (command) => {
  await using fluentd = await TestFluentd.open("", {});
  const log = `${fluentd.dir}/own.log`;
  await fluentd.reopen({ command: [...command, "--log", log] });
  const { service } = fluentd;
  {
    using busy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await fluentd.write(simpleConfig({ port: busy.addr.port }));
    assert.match((await service.start()).failure?.message ?? "", /Address already in use/);
    await service.stop();
  }
  await fluentd.write(simpleConfig({ port: freePort() }));
  const after = await running(fluentd);
  await fluentd.write("<source>\n  @type tcp\n");
  Deno.kill(after.supervisor!.pid!, "SIGHUP");
  const state = await becomes(fluentd, "CRASH_LOOP");
  assert.match(await Deno.readTextFile(log), /Address already in use/, "naive");
  assert.doesNotMatch(said(state), /Address already in use/);
  const started = await service.start();
  assert.match(started.failure?.message ?? "", /expected end tag '<\/source>'/);
});

/** An output that takes its time to load, so that its worker says late that it starts. */
const SLOW_LOAD = `
require 'fluent/plugin/output'
class SlowLoad < Fluent::Plugin::Output
  Fluent::Plugin.register_output('slow_load', self)
  def process(tag, es); end
  def configure(conf)
    super
    sleep 3
  end
end
`;

row("G14: a reload that failed in a former life is none of this one", async (command) => {
  const sink = "<match **>\n  @type slow_load\n</match>\n";
  const port = freePort();
  await using fluentd = await TestFluentd.open(tcp(port) + sink, {});
  await Deno.mkdir(`${fluentd.dir}/plugins`);
  await Deno.writeTextFile(`${fluentd.dir}/plugins/out_slow_load.rb`, SLOW_LOAD);
  await fluentd.reopen({ command: [...command, "-p", `${fluentd.dir}/plugins`] });
  const { service } = fluentd;
  const after = await running(fluentd);
  {
    using busy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await fluentd.write(tcp(busy.addr.port) + sink);
    Deno.kill(after.workers![0]!.pid!, "SIGUSR2");
    await until("the reason", async () => {
      return /failed to reload config/.test(said(await service.status())) || undefined;
    });
    await service.stop();
  }
  await fluentd.write(tcp(port) + sink);
  const { status, failure } = await service.start();
  assert.match(await logOf(fluentd), /failed to reload config/, "naive: it is in the log");
  assert.equal(status, "SUCCESS", failure?.message ?? "");
});

row("G14: an output that failed in a former life has not failed in this one", async (command) => {
  // At this level nobody says that a new life begins.
  const config = (sink: string) => "<system>\n  log_level warn\n</system>\n" + tcp(port) + sink;
  const port = freePort();
  const away =
    `<match **>\n  @type forward\n  <server>\n    host 127.0.0.1\n    port ${freePort()}\n` +
    "  </server>\n  <buffer>\n    @type memory\n    flush_mode immediate\n    retry_type periodic\n" +
    "    retry_wait 0.2\n  </buffer>\n</match>\n";
  await using fluentd = await TestFluentd.open(config(away), { command });
  const { service } = fluentd;
  await service.start();
  {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(new TextEncoder().encode("lost\n"));
  }
  await becomes(fluentd, "DEGRADED");
  await refused(service.stop(), "FAILED_PRECONDITION", "UNSENT_IN_MEMORY");
  await service.stop({ acceptLoss: true });
  await fluentd.write(config(NOWHERE));
  const { status, after } = await service.start();
  assert.match(await logOf(fluentd), /failed to flush the buffer/, "naive: it is in the log");
  assert.deepEqual([status, codes(after!)], ["SUCCESS", []]);
  assert.deepEqual(codes(await healthy(fluentd)), []);
  assert.equal((await service.stop()).status, "SUCCESS");
});

row("G14: a dry run finds what a daemon's workers print to nowhere", async (command) => {
  await using fluentd = await TestFluentd.open(simpleConfig({ port: freePort() }), {});
  const mute = `${fluentd.dir}/mute.sh`;
  await Deno.writeTextFile(
    mute,
    `#!/bin/sh\ncase "$*" in *--dry-run*) exec ${command.join(" ")} "$@" ;; esac\n` +
      `exec ${command.join(" ")} "$@" >/dev/null 2>&1\n`,
    { mode: 0o755 },
  );
  await fluentd.reopen({ command: [mute] });
  const { service } = fluentd;
  const after = await running(fluentd);
  await fluentd.write("<source>\n  @type tcp\n");
  Deno.kill(after.supervisor!.pid!, "SIGHUP");
  await becomes(fluentd, "CRASH_LOOP");
  assert.equal(await logOf(fluentd), "", "naive");
  const started = await service.start();
  assert.deepEqual([started.status, started.failure?.reason], ["FAILED", "CRASH_LOOP"]);
  assert.match(started.failure?.message ?? "", /expected end tag '<\/source>'/);
});

row("G15: what is suspicious in a config is said in every answer", async (command) => {
  const config = "@include none/*.conf\n" + tcp(freePort()).replace("  tag", "  prot 3\n  tag") +
    NOWHERE;
  await using fluentd = await TestFluentd.open(config, { command });
  const { service } = fluentd;
  const { status, after } = await service.start();
  assert.deepEqual([status, after?.supervisor !== undefined], ["SUCCESS", true], "naive");
  const text = JSON.stringify(after?.warnings);
  assert.deepEqual(codes(after!).toSorted(), ["INCLUDE_MATCHES_NOTHING", "UNUSED_PARAMETER"]);
  assert.match(text, /none\/\*\.conf/);
  assert.match(text, /'prot' in <source>/);
  await service.stop();
  await fluentd.write(NOWHERE);
  assert.deepEqual(codes((await service.start()).after!), ["NO_SOURCE"]);
});

row("G16: a wrapper that waits is no second supervisor", async (command) => {
  await using fluentd = await TestFluentd.open(simpleConfig({ port: freePort() }), {});
  const wrapper = `${fluentd.dir}/wrapper.sh`;
  await Deno.writeTextFile(
    wrapper,
    `#!/bin/sh\ntrap 'kill "$pid"' TERM\n${
      command.join(" ")
    } "$@" &\npid=$!\nwait $pid\nwait $pid\n`,
    { mode: 0o755 },
  );
  await fluentd.reopen({ command: [wrapper] });
  const { service } = fluentd;
  const started = await service.start();
  assert.equal(started.status, "SUCCESS", started.failure?.message ?? "");
  const { leader } = JSON.parse(await Deno.readTextFile(`${fluentd.stateDir}/fluentd.json`));
  const state = await healthy(fluentd);
  assert.ok(await readProcess(leader.pid), "naive: both live");
  assert.notEqual(state.supervisor?.pid, leader.pid);
  assert.doesNotMatch(said(state), /Two supervisors/);
  const stopped = await service.stop();
  assert.deepEqual([stopped.status, stopped.killed ?? false], ["SUCCESS", false]);
});

row("G16: a monitor on a wrong port is a wrong port, not an ill Fluentd", async (command) => {
  const [right, wrong] = [freePort(), freePort()];
  await using fluentd = await TestFluentd.open(
    simpleConfig({ port: freePort(), monitor: right }),
    { command, monitor: `127.0.0.1:${wrong}` },
  );
  const { service } = fluentd;
  const started = await service.start();
  assert.equal(started.status, "SUCCESS", started.failure?.message ?? "");
  const state = await healthy(fluentd);
  assert.ok(!state.sources?.includes("monitor"), "naive: it does not answer");
  assert.deepEqual(codes(state), ["MONITOR_ELSEWHERE"]);
  assert.match(JSON.stringify(state.warnings), new RegExp(`has it on ${right}`));
  assert.equal((await service.start()).status, "NOCHANGE");
});

row(
  "G16: a monitor that is silent for a moment is a busy machine, not an ill Fluentd",
  async (command) => {
    const monitor = freePort();
    await using fluentd = await TestFluentd.open(
      simpleConfig({ port: freePort(), monitor }),
      { command, monitor: `127.0.0.1:${monitor}` },
    );
    const { service } = fluentd;
    const after = await running(fluentd);
    const { pid } = after.workers![0]!;
    // Once more where the machine stood still meanwhile: that was no moment.
    const state = await until("a moment's silence", async () => {
      const beganMs = performance.now();
      Deno.kill(pid!, "SIGSTOP");
      const state = await service.status();
      if (performance.now() - beganMs < HUNG_MS) return state;
      Deno.kill(pid!, "SIGCONT");
      await healthy(fluentd);
    });
    assert.ok(!state.sources?.includes("monitor"), "naive: it does not answer");
    assert.equal(state.health, "HEALTHY");
    const hung = await becomes(fluentd, "DEGRADED");
    assert.match(said(hung), /monitor of worker 0 does not answer/);
    Deno.kill(pid!, "SIGCONT");
    await healthy(fluentd);
  },
  // It takes its time, and is not Fluentd's doing.
  ({ label }) => label === "",
);

row("C2: a Stop ends a Start that only waits", async (command) => {
  await using fluentd = await TestFluentd.open(simpleConfig({ port: freePort() }), { command });
  const { service } = fluentd;
  const start = service.start({ wait: { seconds: 3600 }, minHealthy: { seconds: 3590 } });
  await healthy(fluentd);
  const stopped = await service.stop();
  const started = await start;
  assert.deepEqual([started.status, started.failure?.reason], ["FAILED", "SUPERSEDED"]);
  assert.ok(started.after?.supervisor, "it ran when the start ended");
  assert.equal(stopped.status, "SUCCESS", stopped.failure?.message ?? "");
  assert.equal(stopped.before?.supervisor?.pid, started.after.supervisor.pid);
});

/** A disk of our own; only root may have one. */
async function smallDisk(path: string): Promise<AsyncDisposable> {
  await Deno.mkdir(path);
  await must("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", path);
  return { [Symbol.asyncDispose]: () => must("umount", "-l", path) };
}

async function must(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

function mayMount(): boolean {
  const may = Deno.uid() === 0 &&
    new Deno.Command("unshare", { args: ["--mount", "true"] }).outputSync().success;
  if (!may) console.warn("SKIPPED: C8 needs a disk of its own, which only root may mount");
  return may;
}

const FULL_DISK = "C8: a full disk is named, and what runs is said to run";

if (!mayMount()) Deno.test.ignore(`${FULL_DISK} (only root may mount a disk)`, () => {});
else {
  row(FULL_DISK, async (command) => {
    await using fluentd = await TestFluentd.open(simpleConfig({ port: freePort() }), {});
    const disk = `${fluentd.dir}/disk`;
    await using _ = await smallDisk(disk);
    await fluentd.reopen({ command: [...command, "--log", `${disk}/own.log`] });
    await must("sh", "-c", `cat /dev/zero >${disk}/full 2>/dev/null; true`);
    const { service } = fluentd;
    const started = await service.start();
    assert.equal((await Deno.stat(`${disk}/own.log`)).size, 0, "naive: nothing is said");
    assert.equal(started.status, "SUCCESS", started.failure?.message ?? "");
    assert.deepEqual(codes(started.after!), ["DISK_FULL"]);
    assert.match(JSON.stringify(started.after?.warnings), /own\.log/);
    assert.equal((await service.stop()).status, "SUCCESS");
  });
}

eachAsTest(stories, { ignore: versions.length === 0 });
