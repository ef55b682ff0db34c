import assert from "node:assert/strict";
import { type LogFacts, LogStory } from "./story.ts";
import type { ProcessInfo } from "../system/proc.ts";

const AT = "2026-11-23 06:20:44 +0000";
const AT_MS = Date.UTC(2026, 10, 23, 6, 20, 44);

function storyOf(lines: readonly string[], readMs = AT_MS): LogStory {
  const story = new LogStory();
  for (const line of lines) story.add(line, readMs);
  return story;
}

function processOf(pid: number, startedAtMs: number): ProcessInfo {
  return { pid, ppid: 1, pgid: 1, sid: 1, startTicks: 1, startedAtMs, argv: [] };
}

function supervisor(pid: number, startedAtMs = AT_MS) {
  return { supervisors: [processOf(pid, startedAtMs)], workers: [] };
}

Deno.test("LogStory tells running workers from starting ones", () => {
  const { running, starting, exits, version } = storyOf([
    `${AT} [info]: starting fluentd-1.18.0 pid=1 ruby="3.1.2"`,
    `${AT} [info]: #0 starting fluentd worker pid=10 ppid=1 worker=0`,
    `${AT} [info]: #1 starting fluentd worker pid=11 ppid=1 worker=1`,
    `${AT} [info]: #0 fluentd worker is now running worker=0`,
    `${AT} [error]: Worker 1 exited unexpectedly with status 1`,
    `${AT} [info]: #1 starting fluentd worker pid=12 ppid=1 worker=1`,
    `${AT} [info]: #2 fluentd worker is now running worker=2`,
  ]).facts(supervisor(1), AT_MS);
  assert.deepEqual([...running], [10]);
  assert.deepEqual([...starting], [11, 12]);
  assert.deepEqual(exits.map(({ worker, timeMs }) => [worker, timeMs]), [[1, AT_MS]]);
  assert.equal(version, "1.18.0");
});

Deno.test("G14: LogStory quotes an error of this life only", async (t) => {
  const old = [
    `${AT} [info]: starting fluentd-1.18.0 pid=1 ruby="3.1.2"`,
    `${AT} [error]: #0 unexpected error error="of the former life"`,
  ];
  await t.step("by the line of the supervisor's start", () => {
    const story = storyOf([...old, `${AT} [info]: starting fluentd-1.18.0 pid=2 ruby="3.1.2"`]);
    assert.equal(story.facts(supervisor(2), AT_MS).lastError, undefined);
    story.add(`${AT} [error]: #0 unexpected error error="of this one"`, AT_MS);
    assert.match(story.facts(supervisor(2), AT_MS).lastError ?? "", /of this one/);
  });
  await t.step("by its time, where the level hides that line", () => {
    const story = storyOf(old);
    assert.equal(story.facts(supervisor(2, AT_MS + 5000), AT_MS).lastError, undefined);
    assert.match(story.facts(supervisor(2, AT_MS), AT_MS).lastError ?? "", /former life/);
  });
  await t.step("by when it was read, where its time has another form", () => {
    const story = storyOf(["06:20 [error]: #0 too old"], -Infinity);
    assert.equal(story.facts(supervisor(2), AT_MS).lastError, undefined);
    story.add("06:21 [error]: #0 fresh", AT_MS + 1);
    assert.equal(story.facts(supervisor(2), AT_MS).lastError, "fresh");
  });
});

Deno.test("G14: LogStory tells nothing of one that was born after it was said", () => {
  const story = storyOf([
    `${AT} [warn]: #0 failed to cancel source only: Address already in use`,
    `${AT} [warn]: #0 failed to flush the buffer. retry_times=0 error="away"`,
    `${AT} [error]: Failed to reload config file: syntax`,
  ]);
  const all = ({ broken, troubles, refused }: LogFacts) =>
    [...broken.values(), ...troubles.map(({ message }) => message), refused].filter(Boolean);
  const bornAt = (startedAtMs: number) => ({
    supervisors: [processOf(1, startedAtMs)],
    workers: [{ ...processOf(2, startedAtMs), workerId: 0 }],
  });
  assert.equal(all(story.facts(bornAt(AT_MS - 5000), AT_MS)).length, 3);
  // The log has full seconds.
  assert.equal(all(story.facts(bornAt(AT_MS + 900), AT_MS)).length, 3);
  assert.deepEqual(all(story.facts(bornAt(AT_MS + 1000), AT_MS + 5000)), []);
});

Deno.test("G2: LogStory tells a reload that was refused from one that failed half-way", () => {
  const story = storyOf([`${AT} [error]: #0 failed to reload config: Unknown input plugin`]);
  const before = story.facts(supervisor(1), AT_MS);
  assert.equal(before.broken.size, 0);
  assert.match(before.refused ?? "", /Unknown input plugin/);
  story.add(`${AT} [info]: #0 restart fluentd worker worker=0`, AT_MS);
  assert.equal(story.facts(supervisor(1), AT_MS).refused, undefined);
  story.add(`${AT} [error]: #0 failed to reload config: Address already in use`, AT_MS);
  const broken = story.facts(supervisor(1), AT_MS);
  assert.match(broken.broken.get(0) ?? "", /Address already in use/);
  assert.equal(broken.rebuiltMs.get(0), AT_MS);
  // What is refused afterwards does not mend it; what succeeds does.
  story.add(`${AT} [error]: #0 failed to reload config: Unknown input plugin`, AT_MS);
  assert.equal(story.facts(supervisor(1), AT_MS).broken.size, 1);
  story.add(`${AT} [info]: #0 restart fluentd worker worker=0`, AT_MS);
  assert.equal(story.facts(supervisor(1), AT_MS).broken.size, 0);
});

Deno.test("G2: LogStory takes no later refusal for the failure of a reload that went well", () => {
  const later = "2026-11-23 06:20:47 +0000";
  const story = storyOf([
    `${AT} [info]: #0 restart fluentd worker worker=0`,
    `${later} [error]: #0 failed to reload config: Unknown input plugin`,
  ]);
  const { broken, refused } = story.facts(supervisor(1), AT_MS);
  assert.deepEqual([broken.size, refused], [0, "failed to reload config: Unknown input plugin"]);
});

Deno.test("G15: LogStory counts failures of an output until it can deliver", () => {
  const failed =
    `${AT} [warn]: #0 [siem] failed to flush the buffer. retry_times=0 error="refused"`;
  const story = storyOf([failed, failed, failed]);
  const [trouble] = story.facts(supervisor(1), AT_MS).troubles;
  assert.deepEqual([trouble?.output, trouble?.times], ["siem", 3]);
  story.add(`${AT} [warn]: #0 [siem] retry succeeded. chunk_id="6617"`, AT_MS);
  assert.deepEqual(story.facts(supervisor(1), AT_MS).troubles, []);
  // While a takeover begins, events about itself come to an output that has not begun yet.
  const own = 'error_class=NoMethodError error="undefined method" location="x" tag="fluent.info"';
  story.add(`${AT} [warn]: #0 emit transaction failed: ${own}`, AT_MS);
  assert.deepEqual(story.facts(supervisor(1), AT_MS).troubles, []);
  // What has no buffer never says that it can again.
  story.add(`${AT} [warn]: #0 emit transaction failed: error_class=RuntimeError`, AT_MS);
  assert.equal(story.facts(supervisor(1), AT_MS + 1000).troubles.length, 1);
  assert.equal(story.facts(supervisor(1), AT_MS + 60_000).troubles.length, 0);
});

Deno.test("LogStory is bounded, whatever the log says", () => {
  const story = new LogStory();
  for (let i = 0; i < 1000; i++) {
    story.add(`${AT} [error]: #0 error ${i}`, AT_MS);
    story.add(`${AT} [error]: Worker ${i} exited unexpectedly with status 1`, AT_MS);
    story.add(`${AT} [info]: #${i} starting fluentd worker pid=${i} ppid=1 worker=${i}`, AT_MS);
    story.add(`${AT} [warn]: #0 [out${i}] failed to flush the buffer. retry_times=0`, AT_MS);
    story.add(`${AT} [warn]: #0 bad chunk is moved to /backup/${i}`, AT_MS);
    story.add(`${AT} [warn]: parameter 'p${i}' in <source>`, AT_MS);
  }
  const facts = story.facts(supervisor(1), AT_MS);
  for (const kind of ["exits", "troubles", "backups", "unused"] as const) {
    assert.equal(facts[kind].length, 100, kind);
  }
  assert.equal(facts.starting.size, 100);
});

Deno.test("F4: LogStory knows whether the supervisor that lives speaks to this log", () => {
  const story = storyOf([`${AT} [info]: starting fluentd-1.18.0 pid=1 ruby="3.1.2"`]);
  assert.equal(story.facts(supervisor(1), AT_MS).speaks, true);
  assert.equal(story.facts(supervisor(2), AT_MS).speaks, false, "a former life's line");
  assert.equal(story.facts({ supervisors: [], workers: [] }, AT_MS).speaks, false);
});
