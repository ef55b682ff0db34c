import assert from "node:assert/strict";
import { PATIENCE_MS } from "../../../tests/support/until.ts";
import { Monitor, parseAddress } from "./monitor.ts";

const { signal } = new AbortController();

Deno.test("parseAddress() takes host:port and nothing else", async (t) => {
  assert.deepEqual(parseAddress("127.0.0.1:24220"), { host: "127.0.0.1", port: 24220 });
  assert.deepEqual(parseAddress("[::1]:1"), { host: "[::1]", port: 1 });
  for (const bad of ["", "localhost", ":1", "h:", "h:0", "h:65536", "h:1/x", "u@h:1", "::1:1"]) {
    await t.step(JSON.stringify(bad), () => assert.throws(() => parseAddress(bad), SyntaxError));
  }
});

Deno.test("Monitor says nothing where nobody answers well", async (t) => {
  const answers: [what: string, answer: () => Response | Promise<Response>][] = [
    ["no JSON", () => new Response("<html>")],
    ["an error", () => new Response('{"pid":1}', { status: 500 })],
    ["another shape", () => new Response('{"pid":"1","plugins":{}}')],
    ["null", () => new Response("null")],
    ["too much", () => new Response(" ".repeat(5 * 1024 * 1024) + '{"pid":1,"plugins":[]}')],
    ["a redirect", () => Response.redirect("http://127.0.0.1:1/")],
  ];
  for (const [what, answer] of answers) {
    await t.step(what, async () => {
      await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
      // Not because it is too late.
      const monitor = new Monitor(`127.0.0.1:${server.addr.port}`, { timeoutMs: PATIENCE_MS });
      assert.equal(await monitor.identify(0, { signal }), undefined);
      assert.equal(await monitor.report([0], { signal }), undefined);
    });
  }
  await t.step("silence", async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const monitor = new Monitor(`127.0.0.1:${listener.addr.port}`);
    assert.equal(await monitor.identify(0, { signal }), undefined);
  });
});

Deno.test("Monitor.report() adds up the buffers and asks for no config", async () => {
  const plugins = [
    { plugin_id: "in", plugin_category: "input", type: "tcp", retry_count: null, emit_records: 5 },
    {
      plugin_id: "a",
      plugin_category: "output",
      type: "forward",
      retry_count: 2,
      buffer_queue_length: 3,
      buffer_queue_byte_size: 100,
      buffer_stage_byte_size: 20,
      buffer_total_queued_size: 120,
      buffer_available_buffer_space_ratios: 80.5,
    },
    { buffer_queue_length: 1, buffer_available_buffer_space_ratios: 12 },
  ];
  const asked: string[] = [];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    asked.push(new URL(request.url).pathname + new URL(request.url).search);
    return Response.json({ plugins });
  });
  const monitor = new Monitor(`127.0.0.1:${server.addr.port}`, { timeoutMs: PATIENCE_MS });
  const report = await monitor.report([0], { signal });
  assert.deepEqual(asked, ["/api/plugins.json?with_config=no"]);
  assert.deepEqual(report?.buffers, {
    queuedBytes: 100,
    stageBytes: 20,
    queueLength: 4,
    minAvailableSpaceRatio: 12,
  });
  assert.deepEqual(report?.plugins.slice(0, 2), [
    { id: "in", category: "input", type: "tcp", emitRecords: 5 },
    {
      id: "a",
      category: "output",
      type: "forward",
      retryCount: 2,
      bufferQueueLength: 3,
      bufferTotalQueuedBytes: 120,
    },
  ]);
});
