import assert from "node:assert/strict";
import { lockState } from "./state_lock.ts";

Deno.test("lockState() lets one in, and the next one when that has gone", async () => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/a.lock`;
  {
    using _first = await lockState(path, "state folder a");
    await assert.rejects(lockState(path, "state folder a"), /Cannot use state folder a: another/);
  }
  using _second = await lockState(path, "state folder a");
  await Deno.remove(dir, { recursive: true });
});
