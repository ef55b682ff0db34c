import { startFakeHub } from "../testing/fake_hub.ts";
import { dial } from "./dial.ts";

Deno.test("dial() does not take its own standstill for a hub that does not answer", async () => {
  await using hub = await startFakeHub();
  const timeoutMs = 1_000;
  const dialled = dial({ host: "127.0.0.1", port: hub.port }, {
    timeoutMs,
    signal: new AbortController().signal,
  });
  // Its timer has begun, and the hub's answer has not come.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, timeoutMs + 100);
  await using _ = await dialled;
});
