import assert from "node:assert/strict";
import { lockState } from "./state_lock.ts";

const A = { what: "state folder a", flag: "--state-dir" };

Deno.test("lockState() lets one in, and the next one when that has gone", async () => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/a.lock`;
  {
    using _first = await lockState(path, A);
    await assert.rejects(
      lockState(path, A),
      /Cannot use state folder a: another .* give each its own --state-dir$/,
    );
  }
  using _second = await lockState(path, A);
  await Deno.remove(dir, { recursive: true });
});
