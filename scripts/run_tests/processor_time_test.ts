import assert from "node:assert/strict";
import { until } from "../../tests/support/until.ts";
import { ProcessorTime } from "./processor_time.ts";

/** A child uses the processor and ends; its parent uses none, and stays until its input ends. */
const BUSY_CHILD = "sh -c 'i=0; while [ $i -lt 500000 ]; do i=$((i+1)); done'; read line";

Deno.test({
  name: "ProcessorTime counts what the children of a process used that have ended",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const child = new Deno.Command("sh", { args: ["-c", BUSY_CHILD], stdin: "piped" }).spawn();
    using used = new ProcessorTime(child.pid);
    try {
      await until("the child's time", () => used.seconds! >= 0.1);
    } finally {
      await child.stdin.close();
      await child.status;
    }
  },
});

Deno.test("ProcessorTime knows nothing of a process that has ended", async () => {
  const child = new Deno.Command("true").spawn();
  await child.status;
  using used = new ProcessorTime(child.pid);
  assert.equal(used.seconds, undefined);
});
