import assert from "node:assert/strict";
import { boundedResponse } from "./bounded_response.ts";

const tooLarge = () => new RangeError("too much");

Deno.test("boundedResponse() gives the same answer up to the bound", async () => {
  const headers = { "content-type": "application/json" };
  const read = await boundedResponse(new Response("1234", { status: 401, headers }), {
    maxBytes: 4,
    tooLarge,
  });
  assert.deepEqual(
    [read.status, read.headers.get("content-type"), await read.text()],
    [401, "application/json", "1234"],
  );
  const empty = await boundedResponse(new Response(null, { status: 204 }), {
    maxBytes: 0,
    tooLarge,
  });
  assert.deepEqual([empty.status, await empty.text()], [204, ""]);
});

Deno.test("boundedResponse() reads no body to its end that is larger, and cancels it", async () => {
  let pieces = 0;
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull(out) {
      pieces++;
      out.enqueue(new Uint8Array(10));
    },
    cancel() {
      cancelled = true;
    },
  });
  await assert.rejects(
    boundedResponse(new Response(endless), { maxBytes: 100, tooLarge }),
    RangeError,
  );
  assert.ok(pieces < 20, `${pieces} pieces`);
  assert.equal(cancelled, true);
});
