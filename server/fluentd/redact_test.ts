import assert from "node:assert/strict";
import { redact } from "./redact.ts";

Deno.test("redact() takes out secrets and leaves the rest", async (t) => {
  const table: [text: string, kept: string][] = [
    ['headers {"Authorization":"Bearer ab.c-1"}', 'headers {"Authorization":"Bearer xxxxxx"}'],
    ["    password hunter2", "    password xxxxxx"],
    ['  shared_key "a b"', "  shared_key xxxxxx"],
    ["aws_sec_key=abc next", "aws_sec_key=xxxxxx next"],
    ['{"api_key":"abc","x":1}', '{"api_key":xxxxxx,"x":1}'],
    ["endpoint https://u:pw@host/x", "endpoint https://u:xxxxxx@host/x"],
    ["proxy http://:pw@host", "proxy http://:xxxxxx@host"],
    ["  port 24224", "  port 24224"],
    [
      "2026-11-23 06:20:44 +0000 [info]: #0 fluentd worker is now running worker=0",
      "2026-11-23 06:20:44 +0000 [info]: #0 fluentd worker is now running worker=0",
    ],
    [
      'error="Address already in use - bind(2) for 127.0.0.1:25011"',
      'error="Address already in use - bind(2) for 127.0.0.1:25011"',
    ],
  ];
  for (const [text, kept] of table) await t.step(text, () => assert.equal(redact(text), kept));
});
