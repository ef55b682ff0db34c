import assert from "node:assert/strict";
import { startHub } from "./hub.ts";
import type { RunningHub } from "./hub_options.ts";

const ANYWHERE = { hostname: "127.0.0.1", port: 0 };
const LISTEN = { tunnelListen: ANYWHERE, callListen: ANYWHERE };

/** Until its files are closed. */
async function end(hub: RunningHub): Promise<void> {
  hub.close();
  await hub.closed;
}

Deno.test("F4: two hubs on one state folder, or on one audit, are refused until the first one has gone", async (t) => {
  const dir = await Deno.makeTempDir();
  const state = `${dir}/state`;
  await t.step("one state folder", async () => {
    const first = await startHub({ ...LISTEN, stateDir: state, auditLog: `${state}/audit.jsonl` });
    const second = startHub({ ...LISTEN, stateDir: state });
    await assert.rejects(second, /Cannot use state folder .*state: another process uses it/);
    await end(first);
    await end(await startHub({ ...LISTEN, stateDir: state }));
  });
  await t.step("one audit elsewhere", async () => {
    const auditLog = `${dir}/audit.jsonl`;
    const first = await startHub({ ...LISTEN, stateDir: state, auditLog });
    const second = startHub({ ...LISTEN, stateDir: `${dir}/other`, auditLog });
    await assert.rejects(second, /Cannot use audit .*audit\.jsonl: another process uses it/);
    await end(first);
  });
  await t.step("an audit on standard error is no file, and no hub locks it", async () => {
    const first = await startHub({ ...LISTEN, stateDir: state, auditLog: "stderr" });
    await end(await startHub({ ...LISTEN, stateDir: `${dir}/other`, auditLog: "stderr" }));
    await end(first);
    await assert.rejects(Deno.stat("stderr.lock"), Deno.errors.NotFound);
  });
  await Deno.remove(dir, { recursive: true });
});
