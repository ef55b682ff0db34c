import assert from "node:assert/strict";
import { runClient } from "../client/testing/fake_hub.ts";
import { startHub } from "../hub/hub.ts";

const ANYWHERE = { hostname: "127.0.0.1", port: 0 };

Deno.test("a failed call tells the id of its line in the audit", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const auditLog = `${dir}/audit.jsonl`;
    const hub = await startHub({ tunnelListen: ANYWHERE, callListen: ANYWHERE, auditLog });
    let error = "";
    try {
      const to = ["-s", hub.callAddress, "-n", "-o", "json"];
      error = (await runClient(["fluentd", "status", "edge-1", ...to])).err;
      assert.equal((await runClient(["hub", "servers", ...to])).code, 0);
    } finally {
      hub.close();
      await hub.closed;
    }
    const lines = (await Deno.readTextFile(auditLog)).trim().split("\n")
      .map((line) => JSON.parse(line));
    const failed = lines.filter(({ status }) => status === "NOT_FOUND");
    assert.equal(failed.length, 1);
    assert.equal(JSON.parse(error).callId, failed[0].id);
    // No two calls have the same id.
    assert.equal(new Set(lines.map(({ id }) => id)).size, lines.length);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
