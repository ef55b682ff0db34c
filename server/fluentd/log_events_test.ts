import assert from "node:assert/strict";
import { parseEvent, readLog } from "./log_events.ts";

const AT = "2026-11-23 06:20:44 +0000";
const AT_MS = Date.UTC(2026, 10, 23, 6, 20, 44);

Deno.test("parseEvent() reads text and JSON lines alike", async (t) => {
  const table: [level: string, message: string, event: ReturnType<typeof parseEvent>][] = [
    ["info", "starting fluentd-1.18.0 pid=8330", { type: "version", version: "1.18.0" }],
    [
      "info",
      "starting fluentd worker pid=8336 ppid=8330 worker=1",
      { type: "starting", pid: 8336, worker: 1 },
    ],
    ["info", "fluentd worker is now running worker=1", { type: "running", worker: 1 }],
    [
      "error",
      "Worker 0 exited unexpectedly with signal SIGKILL",
      { type: "exited", worker: 0, timeMs: AT_MS },
    ],
    ["error", "unexpected error", { type: "error", message: "unexpected error" }],
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
      `${AT} [warn]: dump an error event: record={"message"=>"${said}"}`,
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
    { type: "error", message: error },
  );
  assert.equal(parseEvent("\tfrom /var/lib/gems/x.rb:66:in `parse_element'"), undefined);
});

Deno.test("readLog() tells running workers from starting ones", () => {
  const facts = readLog([
    `${AT} [info]: starting fluentd-1.18.0 pid=1`,
    `${AT} [info]: #0 starting fluentd worker pid=10 ppid=1 worker=0`,
    `${AT} [info]: #1 starting fluentd worker pid=11 ppid=1 worker=1`,
    `${AT} [info]: #0 fluentd worker is now running worker=0`,
    `${AT} [error]: Worker 1 exited unexpectedly with status 1`,
    `${AT} [info]: #1 starting fluentd worker pid=12 ppid=1 worker=1`,
    `${AT} [info]: #2 fluentd worker is now running worker=2`,
  ]);
  assert.deepEqual(facts, {
    version: "1.18.0",
    running: new Set([10]),
    starting: new Set([11, 12]),
    exitsMs: [AT_MS],
  });
});
