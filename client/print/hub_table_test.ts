import assert from "node:assert/strict";
import { activityLine, hubsTable } from "./hub_table.ts";

Deno.test("hubsTable() shows which hub answers, why others are not linked, and what differs", () => {
  const since = { seconds: 1_796_000_000 };
  const text = hubsTable({
    hubs: [
      { name: "a", state: "OPEN", self: true, linked: true, servers: 3, version: "1.0.0", since },
      {
        name: "b",
        state: "DRAINING",
        linked: true,
        servers: 2,
        differingFiles: ["auth", "voucher"],
      },
      { name: "c", state: "OPEN", linkError: "Connection refused" },
      { name: "d", state: "OPEN" },
    ],
  });
  const [, a = "", b = "", c = "", d = ""] = text.split("\n");
  assert.match(a, /^a +OPEN +\(answers\) +3 +1\.0\.0/);
  assert.match(b, /^b +DRAINING +open +2 .*auth, voucher$/);
  assert.match(c, /^c +OPEN +none: Connection refused +0/);
  assert.match(d, /^d +OPEN +none: being dialled/);
  // A hub that is alone.
  assert.match(hubsTable({ hubs: [{ state: "OPEN", self: true, linked: true }] }), /\n- +OPEN/);
});

Deno.test("activityLine() says at which hub something happened", () => {
  const line = activityLine({ kind: "GAP", hub: "b", reason: 'Hub "b" was lost' });
  assert.match(line, /GAP +at hub b {2}\(Hub "b" was lost\)/);
  assert.doesNotMatch(activityLine({ kind: "CALL_ENDED" }), /hub/);
});
