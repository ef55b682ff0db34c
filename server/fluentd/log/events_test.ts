import assert from "node:assert/strict";
import { parseEvent } from "./events.ts";

const AT = "2026-11-23 06:20:44 +0000";
const AT_MS = Date.UTC(2026, 10, 23, 6, 20, 44);

Deno.test("parseEvent() reads text and JSON lines alike", async (t) => {
  const table: [level: string, message: string, event: ReturnType<typeof parseEvent>][] = [
    ["info", "starting fluentd-1.18.0 pid=8330", { type: "version", version: "1.18.0", pid: 8330 }],
    [
      "info",
      "starting fluentd worker pid=8336 ppid=8330 worker=1",
      { type: "starting", pid: 8336, ppid: 8330, worker: 1 },
    ],
    ["info", "fluentd worker is now running worker=1", { type: "running", worker: 1 }],
    [
      "error",
      "Worker 0 exited unexpectedly with signal SIGKILL",
      { type: "exited", worker: 0, timeMs: AT_MS },
    ],
    ["error", "unexpected error", { type: "error", message: "unexpected error", timeMs: AT_MS }],
    [
      "info",
      "restart fluentd worker worker=12",
      { type: "rebuild", worker: 12, timeMs: AT_MS },
    ],
    ["warn", "bad chunk is moved to /tmp/a.log", { type: "backup", path: "/tmp/a.log" }],
    ["warn", "parameter 'prot' in <source>", {
      type: "unused",
      what: "parameter 'prot' in <source>",
    }],
    ["info", "adding source", undefined],
  ];
  for (const [level, message, event] of table) {
    await t.step(message, () => {
      assert.deepEqual(parseEvent(`${AT} [${level}]: ${message}`), event);
      assert.deepEqual(parseEvent(`${AT} [${level}]: #12 ${message}`), event);
      assert.deepEqual(parseEvent(JSON.stringify({ time: AT, level, message })), event);
    });
  }
});

Deno.test("parseEvent() does not believe a user's record", async (t) => {
  const said = "fluentd worker is now running worker=0";
  for (
    const line of [
      `${AT.replace(" +0000", ".000000000 +0000")} my.tag: {"message":"${said}"}`,
      `${AT} [warn]: an event: record={"message"=>"${said}"}`,
      `{"message":"${said}"}`,
      `  ${AT} [info]: ${said}`,
      said,
    ]
  ) {
    await t.step(line, () => assert.equal(parseEvent(line), undefined));
  }
});

Deno.test("parseEvent() finds Ruby's error in a backtrace", () => {
  const error = "expected end tag '</source>' but got end of file at d.conf line 3,1 " +
    "(Fluent::ConfigParseError)";
  assert.deepEqual(
    parseEvent(`/var/lib/gems/basic_parser.rb:92:in \`parse_error!': ${error}`),
    { type: "error", message: error, timeMs: NaN },
  );
  assert.equal(parseEvent("\tfrom /var/lib/gems/x.rb:66:in `parse_element'"), undefined);
});

Deno.test("parseEvent() knows whose output failed, and which worker's reload", async (t) => {
  const flush = 'failed to flush the buffer. retry_times=0 error="refused"';
  const table: [line: string, event: ReturnType<typeof parseEvent>][] = [
    [`${AT} [warn]: #2 [to-siem] ${flush}`, {
      type: "output",
      result: "failed",
      worker: 2,
      output: "to-siem",
      message: flush,
      timeMs: AT_MS,
    }],
    [`${AT} [error]: #1 failed to reload config: no`, {
      type: "rebuildFailed",
      worker: 1,
      message: "failed to reload config: no",
      timeMs: AT_MS,
    }],
    [`${AT} [error]: Failed to reload config file: no`, {
      type: "refused",
      message: "Failed to reload config file: no",
      timeMs: AT_MS,
    }],
  ];
  for (const [line, event] of table) {
    await t.step(line, () => assert.deepEqual(parseEvent(line), event));
  }
});

Deno.test("G10: parseEvent() reads lines whatever their time looks like", async (t) => {
  for (const time of [AT, "06:20:44", "1796000000", "2026-11-23T06:20:44+00:00", "Mon, 23 Nov"]) {
    await t.step(
      time,
      () =>
        assert.deepEqual(parseEvent(`${time} [info]: #0 fluentd worker is now running worker=0`), {
          type: "running",
          worker: 0,
        }),
    );
  }
});
