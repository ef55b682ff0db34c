/**
 * The service with the spawn manager and a real fluentd. F-numbers are those of docs/fluentd.md.
 */
import assert from "node:assert/strict";
import { fluentdCommand, simpleConfig } from "../../tests/support/fluentd.ts";
import { freePort } from "../../tests/support/free_port.ts";
import { listStats, type ProcessInfo, readEnv, readProcess, readProcesses } from "./system/proc.ts";
import { allow, forbid, openSlow } from "./testing/slow_fluentd.ts";
import { refused, type Story, TestFluentd, TestService, together, until } from "./testing/kit.ts";

const command = fluentdCommand();

const stories: Record<string, Story> = {};

/** Adds a story; all are told by the test at the end of this file, so the longest come first. */
function withFluentd(name: string, story: (command: string[]) => Promise<void>): void {
  stories[name] = () => story(command ?? []);
}

/** All that carries the mark of this one's state directory. */
async function mine({ stateDir }: TestFluentd): Promise<ProcessInfo[]> {
  const { mark } = JSON.parse(await Deno.readTextFile(`${stateDir}/fluentd.json`));
  const found: number[] = [];
  for (const { pid } of await listStats()) {
    if (await readEnv(pid, "GHUB_FLUENTD_ID") === mark) found.push(pid);
  }
  return await readProcesses(found);
}

function isListening(port: number): Promise<boolean> {
  return Deno.connect({ hostname: "127.0.0.1", port }).then(
    (connection) => (connection.close(), true),
    () => false,
  );
}

withFluentd("a zero-downtime restart hands over to a new supervisor", async (command) => {
  const port = freePort();
  await using fluentd = await TestFluentd.open(
    simpleConfig({ port, system: "process_name zero" }),
    { command },
  );
  const { service } = fluentd;
  const { after: before } = await service.start();
  const { status, after, failure } = await service.restart({ mode: "ZERO_DOWNTIME" });
  assert.equal(status, "SUCCESS", failure?.message ?? "");
  assert.notEqual(after?.supervisor?.pid, before?.supervisor?.pid);
  assert.equal(await readProcess(before!.supervisor!.pid!), undefined, "the old one has ended");
  assert.ok(await isListening(port));
  await fluentd.reopen();
  assert.equal((await fluentd.service.status()).supervisor?.pid, after?.supervisor?.pid);
  assert.equal((await fluentd.service.stop()).status, "SUCCESS");
  assert.equal(await isListening(port), false);
});

withFluentd("Start, GetStatus, Restart and Stop of a healthy fluentd", async (command) => {
  const [port, monitor] = [freePort(), freePort()];
  await using fluentd = await TestFluentd.open(simpleConfig({ port, monitor }), {
    command,
    monitor: `127.0.0.1:${monitor}`,
  });
  const { service } = fluentd;

  const before = await service.status();
  assert.deepEqual([before.health, before.manager, before.workers], ["STOPPED", "SPAWN", []]);
  assert.equal((await service.stop()).status, "NOCHANGE");
  await refused(service.restart({ onlyIfRunning: true }), "FAILED_PRECONDITION", "NOT_RUNNING");

  const started = await service.start({ reason: "a test" });
  assert.equal(started.status, "SUCCESS", started.failure?.message ?? "");
  assert.equal(started.before?.health, "STOPPED");
  assert.ok(started.after?.supervisor?.pid);
  assert.ok(await isListening(port), "SUCCESS means that it serves");

  await until("HEALTHY", async () => (await service.status()).health === "HEALTHY" || undefined);
  assert.equal((await service.start()).status, "NOCHANGE");
  // A busy machine may have one look go by without an answer of the monitor.
  const full = await until("an answer of the monitor", async () => {
    const state = await service.status({ view: "FULL" });
    return state.buffers && state.sources?.includes("monitor") ? state : undefined;
  });
  assert.deepEqual(full.sources, ["proc", "sockets", "config", "monitor", "log"]);
  assert.deepEqual(full.workers?.[0]?.runsBy, ["log", "monitor", "sockets"]);
  assert.deepEqual(
    full.workers?.[0]?.listens?.toSorted(),
    [`tcp ${monitor}`, `tcp ${port}`].sort(),
  );
  assert.equal(full.configPath, fluentd.configPath);
  assert.match(full.version ?? "", /^\d+\.\d+\.\d+/);
  assert.deepEqual(full.plugins?.map(({ type }) => type).sort(), ["monitor_agent", "null", "tcp"]);
  assert.deepEqual(
    [full.lastOperation?.kind, full.lastOperation?.result],
    ["start", "NOCHANGE"],
  );

  const restarted = await service.restart();
  assert.equal(restarted.status, "SUCCESS", restarted.failure?.message ?? "");
  assert.notEqual(restarted.after?.supervisor?.pid, started.after.supervisor.pid);
  assert.equal(await readProcess(started.after.supervisor.pid), undefined);

  const stopped = await service.stop();
  assert.deepEqual([stopped.status, stopped.killed ?? false], ["SUCCESS", false]);
  assert.equal(stopped.after?.health, "STOPPED");
  assert.equal(await isListening(port), false);
  const { lastExit } = await until("its exit", async () => {
    const state = await service.status();
    return state.lastExit && state;
  });
  assert.equal(lastExit?.code, 0);

  const again = await service.restart();
  assert.equal(again.status, "SUCCESS", "a restart of a stopped one starts it");
});

withFluentd("F4 Start with a busy port fails as CRASH_LOOP, with the cause", async (command) => {
  using busy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using fluentd = await TestFluentd.open(simpleConfig({ port: busy.addr.port }), { command });
  const { service } = fluentd;
  const started = await service.start();
  assert.deepEqual([started.status, started.failure?.reason], ["FAILED", "CRASH_LOOP"]);
  assert.match(started.failure?.message ?? "", /Address already in use/);
  assert.match(started.failure?.logTail?.join("\n") ?? "", /EADDRINUSE/);
  assert.equal(started.after?.health, "CRASH_LOOP");
  assert.ok(started.after.supervisor?.pid, "and says that it still tries");

  const again = await service.start();
  assert.deepEqual([again.status, again.failure?.reason], ["FAILED", "CRASH_LOOP"]);
  assert.equal(again.after?.supervisor?.pid, started.after.supervisor.pid, "no second start");
  const restarted = await service.restart();
  assert.deepEqual(
    [restarted.status, restarted.failure?.reason],
    ["FAILED_STARTED", "CRASH_LOOP"],
  );
  const stopped = await service.stop();
  assert.equal(stopped.status, "SUCCESS", stopped.failure?.message ?? "");
});

withFluentd("F3 a syntax error after SIGHUP is a CRASH_LOOP, and heals", async (command) => {
  await using fluentd = await TestFluentd.open(simpleConfig(), { command });
  const { service } = fluentd;
  const { after } = await service.start();
  await fluentd.write("<source>\n  @type tcp\n");
  Deno.kill(after!.supervisor!.pid!, "SIGHUP");
  await until(
    "CRASH_LOOP",
    async () => (await service.status()).health === "CRASH_LOOP" || undefined,
  );
  await refused(service.restart(), "FAILED_PRECONDITION", "CONFIG_INVALID");
  assert.equal((await service.status()).supervisor?.pid, after!.supervisor!.pid, "not touched");
  await fluentd.write(simpleConfig());
  await until("HEALTHY", async () => (await service.status()).health === "HEALTHY" || undefined);
});

withFluentd("an invalid config is refused before anything starts", async (command) => {
  await using fluentd = await TestFluentd.open("<source>\n  @type nope\n</source>\n", { command });
  const { service } = fluentd;
  const error = await refused(service.start(), "FAILED_PRECONDITION", "CONFIG_INVALID");
  assert.match(error.message, /Unknown input plugin 'nope'/);
  assert.ok(error.details.some(({ type }) => type === "google.rpc.BadRequest"));
  await fluentd.write("<source>\n  @type tcp\n  password hunter2\n");
  const syntax = await refused(service.start(), "FAILED_PRECONDITION", "CONFIG_INVALID");
  assert.match(syntax.message, /expected end tag '<\/source>'.*line 3/);
  assert.doesNotMatch(JSON.stringify(syntax.details), /hunter2/);
  await Deno.remove(fluentd.configPath);
  const missing = await refused(service.start(), "FAILED_PRECONDITION", "CONFIG_INVALID");
  assert.match(missing.message, /no such file/);
  await Deno.symlink("/dev/null", fluentd.configPath);
  const device = await refused(service.start(), "FAILED_PRECONDITION", "CONFIG_INVALID");
  assert.match(device.message, /no regular file/);
  assert.equal((await service.status()).health, "STOPPED");
});

withFluentd("a config error without validation is EXITED with its exit code", async (command) => {
  await using fluentd = await TestFluentd.open("<source>\n  @type tcp\n", { command });
  const { service } = fluentd;
  const syntax = await service.start({ skipValidate: true });
  assert.deepEqual(
    [syntax.status, syntax.failure?.reason, syntax.failure?.exitCode],
    ["FAILED", "EXITED", 1],
  );
  assert.match(syntax.failure?.message ?? "", /ConfigParseError/);
  assert.equal(syntax.after?.health, "STOPPED");
  assert.equal(syntax.after?.lastExit?.code, 1);
  const restarted = await service.restart({ validateFirst: false });
  assert.equal(restarted.status, "FAILED_STOPPED");

  // A worker that ends with 2 takes the supervisor with it.
  await fluentd.write(`${simpleConfig()}<source>\n  @type nope\n</source>\n`);
  const unknown = await service.start({ skipValidate: true });
  assert.deepEqual([unknown.status, unknown.failure?.reason], ["FAILED", "EXITED"]);
  assert.ok([1, 2].includes(unknown.failure?.exitCode ?? 0), `exit ${unknown.failure?.exitCode}`);
});

withFluentd("F6 a killed supervisor leaves orphans, which Stop ends", async (command) => {
  const port = freePort();
  await using fluentd = await TestFluentd.open(simpleConfig({ port }), { command });
  const { service } = fluentd;
  const { after } = await service.start();
  Deno.kill(after!.supervisor!.pid!, "SIGKILL");
  // How it ended is known only when its parent has been told.
  const orphaned = await until("ORPHANED, with the exit", async () => {
    const state = await service.status();
    return state.health === "ORPHANED" && state.lastExit ? state : undefined;
  });
  assert.equal(orphaned.workers?.length, 1);
  assert.equal(orphaned.lastExit?.signal, "SIGKILL");
  assert.ok(await isListening(port), "it still serves");
  const started = await service.start();
  assert.deepEqual([started.status, started.failure?.reason], ["FAILED", "ORPHANED"]);
  await fluentd.reopen();
  assert.equal((await fluentd.service.status()).health, "ORPHANED", "also after our restart");
  const stopped = await fluentd.service.stop();
  assert.deepEqual([stopped.status, stopped.killed ?? false], ["SUCCESS", false]);
  assert.equal(await isListening(port), false);
});

withFluentd("F7 a killed worker is born again and counted", async (command) => {
  await using fluentd = await TestFluentd.open(simpleConfig({ system: "workers 2" }), { command });
  const { service } = fluentd;
  const { after } = await service.start();
  assert.deepEqual(after?.workers?.map(({ id = 0 }) => id), [0, 1]);
  const first = after!.workers![0]!.pid!;
  Deno.kill(first, "SIGKILL");
  const reborn = await until("another worker 0, counted", async () => {
    const state = await service.status();
    const worker = state.workers?.find(({ id = 0 }) => id === 0);
    // Another look may have come before this one, and count it only the next time.
    const counted = (state.restartsTotal ?? 0) > 0;
    return worker !== undefined && worker.pid !== first && counted ? state : undefined;
  });
  assert.equal(reborn.restartsTotal, 1);
  assert.notEqual(reborn.health, "CRASH_LOOP");
  assert.equal(reborn.supervisor?.pid, after!.supervisor?.pid);
});

withFluentd("a running fluentd is adopted after a restart of gserver", async (command) => {
  await using fluentd = await TestFluentd.open(simpleConfig(), { command });
  const { after } = await fluentd.service.start();
  await fluentd.reopen();
  const adopted = await fluentd.service.status();
  assert.equal(adopted.supervisor?.pid, after?.supervisor?.pid);
  assert.equal(adopted.lastOperation?.kind, "start", "and what was done last is known");
  assert.equal((await fluentd.service.start()).status, "NOCHANGE");

  // A lost or damaged record changes nothing for those who carry the mark.
  const path = `${fluentd.stateDir}/fluentd.json`;
  const { mark, bootId } = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, JSON.stringify({ version: 1, mark, bootId }));
  await fluentd.reopen();
  const found = await fluentd.service.status();
  assert.equal(found.supervisor?.pid, after?.supervisor?.pid);
  const stopped = await fluentd.service.stop();
  assert.equal(stopped.status, "SUCCESS");
  assert.equal(await readProcess(after!.supervisor!.pid!), undefined);
});

withFluentd("a PID that was used again is not taken for fluentd", async (command) => {
  await using fluentd = await TestFluentd.open(simpleConfig(), { command });
  await using stranger = new Deno.Command("sleep", { args: ["60"] }).spawn();
  const { startTicks } = await until("the stranger", () => readProcess(stranger.pid));
  const path = `${fluentd.stateDir}/fluentd.json`;
  const state = JSON.parse(await Deno.readTextFile(path));
  const leader = { pid: stranger.pid, startTicks: startTicks - 1 };
  await Deno.writeTextFile(path, JSON.stringify({ ...state, leader }));
  await fluentd.reopen();
  assert.equal((await fluentd.service.status()).health, "STOPPED");
  assert.equal((await fluentd.service.stop({ forceAfter: true })).status, "NOCHANGE");
  assert.ok(await readProcess(stranger.pid), "the stranger lives");
});

withFluentd("Stop waits for a slow output, and for what a plugin started", async (command) => {
  await using fluentd = await openSlow(command);
  const { service } = fluentd;
  const { after } = await service.start();
  const helper = await until("the plugin's process", async () => {
    for (const { pid, argv } of await mine(fluentd)) if (argv.at(-1) === "3600") return pid;
  });
  const early = await service.stop({ wait: { nanos: 200_000_000 } });
  assert.deepEqual([early.status, early.failure?.reason], ["FAILED", "STILL_RUNNING"]);
  assert.equal(early.killed ?? false, false);
  assert.match(early.failure?.message ?? "", new RegExp(`\\b${after?.supervisor?.pid}\\b`));
  const stopping = service.stop({ requestId: "again" });
  // It has looked and found it running: only then may it end.
  await until("the stop to have begun", async () => {
    const journal = await Deno.readTextFile(`${fluentd.stateDir}/operations.json`);
    return journal.includes('"again"') || undefined;
  });
  await allow(fluentd, "end");
  const stopped = await stopping;
  assert.deepEqual([stopped.status, stopped.killed ?? false], ["SUCCESS", false]);
  assert.equal(await readProcess(helper), undefined);
});

withFluentd("Stop with force_after kills what does not end, and says so", async (command) => {
  await using fluentd = await openSlow(command);
  const { service } = fluentd;
  assert.equal((await service.start()).status, "SUCCESS");
  const all = await mine(fluentd);
  assert.ok(all.length >= 2);
  const stopped = await service.stop({ wait: { nanos: 500_000_000 }, forceAfter: true });
  assert.deepEqual([stopped.status, stopped.killed], ["SUCCESS", true]);
  for (const { pid } of all) assert.equal(await readProcess(pid), undefined);
  assert.equal(stopped.after?.lastExit?.signal, "SIGKILL");
});

withFluentd(
  "one operation at a time; the same request_id gets the same answer",
  async (command) => {
    await using fluentd = await openSlow(command);
    const { service } = fluentd;
    const request = { requestId: "start-1", reason: "twice" };
    const [one, two, other] = await Promise.all([
      service.start(request),
      service.start(request),
      refused(service.restart(), "ABORTED", "OPERATION_IN_PROGRESS"),
    ]);
    assert.equal(one.status, "SUCCESS");
    assert.deepEqual(two, one);
    const info = other.details.find(({ type }) => type === "google.rpc.ErrorInfo")?.value;
    assert.deepEqual((info as { metadata?: object }).metadata, {
      operation_id: "start-1",
      kind: "start",
    });
    assert.ok(other.details.some(({ type }) => type === "google.rpc.RetryInfo"));

    assert.deepEqual(await service.start(request), one, "SUCCESS again, not NOCHANGE");
    await refused(
      service.start({ ...request, wait: { seconds: 9 } }),
      "INVALID_ARGUMENT",
      "REQUEST_ID_REUSED",
    );
    await refused(service.stop({ requestId: "start-1" }), "INVALID_ARGUMENT", "REQUEST_ID_REUSED");
    await fluentd.reopen();
    assert.deepEqual(await fluentd.service.start(request), one, "also after a restart of gserver");
  },
);

withFluentd(
  "an operation outlives its caller, and is remembered as interrupted when we end",
  async (command) => {
    await using fluentd = await openSlow(command);
    const { service } = fluentd;
    const caller = new AbortController();
    await forbid(fluentd, "start");
    const request = { requestId: "a" };
    const left = service.start(request, { signal: caller.signal })
      .catch((error: unknown) => error);
    await until("the start under way", async () => (await service.status()).lastOperation);
    caller.abort();
    assert.match(String(await left), /^CANCELLED/);
    assert.equal((await service.status()).lastOperation?.result ?? "", "", "still under way");
    await allow(fluentd, "start");
    const state = await until("the end of the start", async () => {
      const state = await service.status();
      return state.lastOperation?.result === "SUCCESS" ? state : undefined;
    });
    assert.equal(state.supervisor !== undefined, true);
    assert.equal((await service.start(request)).status, "SUCCESS");

    const cut = service.stop({ requestId: "b" }).catch((error: unknown) => error);
    // Not only accepted: Fluentd has been told. Before that, nothing would have been attempted.
    await until("the stop under way", async () => {
      const log = await Deno.readTextFile(`${fluentd.stateDir}/fluentd.log`);
      return log.includes("Received graceful stop") ? true : undefined;
    });
    const [error] = await Promise.all([cut, fluentd.interrupt()]);
    assert.match(String(error), /^UNKNOWN: The outcome of stop b is unknown/);
    await fluentd.reopen();
    await refused(fluentd.service.stop({ requestId: "b" }), "UNKNOWN", "OPERATION_INTERRUPTED");
    assert.equal((await fluentd.service.status()).lastOperation?.result, "interrupted");
  },
);

withFluentd("a state directory has one gserver", async (command) => {
  await using fluentd = await TestFluentd.open(simpleConfig(), { command });
  const { stateDir } = fluentd;
  await assert.rejects(
    TestService.open({ manager: "spawn", command, stateDir }),
    /another gserver/,
  );
});

Deno.test({
  name: `spawn manager, real fluentd: ${Object.keys(stories).length} stories`,
  ignore: command === undefined,
  fn: () => together(stories),
});
