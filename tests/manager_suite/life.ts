/**
 * Start, Stop and Restart of a Fluentd with which nothing is wrong.
 *
 * @module
 */
import assert from "node:assert/strict";
import { refused } from "../../server/fluentd/testing/kit.ts";
import { simpleConfig } from "../support/fluentd.ts";
import { hasEnded, isListening } from "../support/kept_fluentd.ts";
import { BROKEN, type Case, healthy, started, stopped, team } from "./case.ts";

export const life: readonly Case[] = [
  ["one that is stopped is told so, and a Stop changes nothing", async (kept) => {
    await stopped(kept);
    const { client, manager, unit } = kept;
    const state = await client.status();
    assert.deepEqual(
      [state.health, state.manager, state.unit ?? "", state.workers ?? []],
      ["STOPPED", manager, unit, []],
    );
    assert.equal(state.supervisor, undefined);
    assert.equal((await client.stop()).status, "NOCHANGE");
    await refused(client.restart({ onlyIfRunning: true }), "FAILED_PRECONDITION", "NOT_RUNNING");
  }],
  ["a Start is SUCCESS once it collects, and then NOCHANGE", async (kept) => {
    await stopped(kept);
    const { client } = kept;
    const port = kept.freePort();
    await kept.write(simpleConfig({ port }));
    const first = await client.start();
    assert.equal(first.status, "SUCCESS", first.failure?.message ?? "");
    assert.equal(first.before?.health, "STOPPED");
    assert.ok(await isListening(kept, port));
    const state = await healthy(kept);
    assert.deepEqual(team(state), team(first.after!));
    const second = await client.start();
    assert.equal(second.status, "NOCHANGE");
    assert.deepEqual(team(second.after!), team(state));
  }],
  ["each answer names its witnesses", async (kept) => {
    const port = kept.freePort();
    const config = simpleConfig({ port });
    await started(kept, config);
    const { before } = await kept.client.start();
    for (const state of [before!, await kept.client.status()]) {
      const systemd = kept.manager === "SYSTEMD" ? ["systemd"] : [];
      assert.deepEqual(state.sources, [...systemd, "proc", "sockets", "config", "log"]);
      const [worker] = state.workers ?? [];
      assert.deepEqual(worker?.runsBy, ["log", "sockets"]);
      assert.deepEqual(worker?.listens, [`tcp ${port}`]);
      assert.equal(state.configPath, kept.configPath);
    }
  }],
  ["a Restart is a new supervisor that collects by the new config", async (kept) => {
    const [former, port] = [kept.freePort(), kept.freePort()];
    const before = await started(kept, simpleConfig({ port: former }));
    await kept.write(simpleConfig({ port }));
    const { status, after, failure } = await kept.client.restart();
    assert.equal(status, "SUCCESS", failure?.message ?? "");
    assert.notEqual(after?.supervisor?.pid, before.supervisor?.pid);
    assert.deepEqual(
      [await isListening(kept, former), await isListening(kept, port)],
      [false, true],
    );
    await healthy(kept);
  }],
  ["a Restart starts one that is stopped", async (kept) => {
    await stopped(kept);
    const port = kept.freePort();
    await kept.write(simpleConfig({ port }));
    const { status, failure } = await kept.client.restart();
    assert.equal(status, "SUCCESS", failure?.message ?? "");
    assert.ok(await isListening(kept, port));
  }],
  ["a zero-downtime Restart hands over, or is refused before anything is touched", async (kept) => {
    const before = await started(kept);
    const restart = () => kept.client.restart({ mode: "ZERO_DOWNTIME" });
    if (kept.handsOver !== true) {
      const error = await refused(restart(), "UNIMPLEMENTED", "ZERO_DOWNTIME_UNSUPPORTED");
      assert.match(error.message, kept.handsOver);
      assert.deepEqual(team(await healthy(kept)), team(before));
      return;
    }
    const { status, after, failure } = await restart();
    assert.equal(status, "SUCCESS", failure?.message ?? "");
    assert.notEqual(after?.supervisor?.pid, before.supervisor?.pid);
    const state = await healthy(kept);
    assert.deepEqual(team(state), team(after!));
    assert.ok(await hasEnded(kept, before.supervisor?.pid));
  }],
  ["a broken config is refused with file and line, before anything is touched", async (kept) => {
    const port = kept.freePort();
    const before = await started(kept, simpleConfig({ port }));
    await kept.write(BROKEN);
    const wrong = async (call: Promise<unknown>) => {
      const { message } = await refused(call, "FAILED_PRECONDITION", "CONFIG_INVALID");
      assert.ok(message.includes(kept.configPath), message);
      assert.match(message, /line 3/);
    };
    await wrong(kept.client.restart());
    assert.deepEqual(team(await healthy(kept)), team(before));
    assert.ok(await isListening(kept, port));
    assert.equal((await kept.client.start()).status, "NOCHANGE", "it still runs");
    await stopped(kept);
    await wrong(kept.client.start());
    await wrong(kept.client.restart());
    assert.equal((await kept.client.status()).health, "STOPPED");
  }],
  ["a Stop is SUCCESS when nothing is left", async (kept) => {
    const port = kept.freePort();
    const before = await started(kept, simpleConfig({ port }));
    const { status, killed = false, after, failure } = await kept.client.stop();
    assert.deepEqual([status, killed], ["SUCCESS", false], failure?.message ?? "");
    assert.equal(after?.health, "STOPPED");
    assert.equal(await isListening(kept, port), false);
    for (const pid of team(before)) assert.ok(await hasEnded(kept, pid));
  }],
];
