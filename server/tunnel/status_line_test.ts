import assert from "node:assert/strict";
import { statusLine } from "./status_line.ts";

Deno.test("statusLine() tells which of several hubs is missing, and nothing of a single one", () => {
  const [a, b] = ["wss://a/ws", "wss://b/ws"] as [string, string];
  assert.equal(statusLine("edge-1", undefined), undefined);
  assert.equal(
    statusLine("edge-1", { most: 1, standings: [{ hub: a, standing: "serving" }] }),
    undefined,
  );
  const standings = [
    { hub: a, standing: "serving" },
    { hub: b, standing: "failed", why: "connection refused" },
  ] as const;
  assert.equal(
    statusLine("edge-1", { most: 2, standings }),
    "edge-1: tunnels at 1 of 2 hubs; wss://b/ws: connection refused",
  );
});
