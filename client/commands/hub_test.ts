import assert from "node:assert/strict";
import { hubTest, runClient } from "../testing/fake_hub.ts";

hubTest("hub servers lists, by its old name too", async (hub, t) => {
  hub.script.servers = {
    servers: [{
      name: "edge-1",
      state: "ONLINE",
      labels: { site: "ams", env: "prod" },
      connectedAt: { seconds: 1_700_000_000 },
      rtt: { nanos: 12_000_000 },
      callsTotal: 3,
      callsInFlight: 1,
    }, {
      name: "edge-2",
      state: "OFFLINE",
      lastSeen: { seconds: Math.floor(Date.now() / 1_000) - 90 },
      lastCloseReason: "No byte for 15 s",
      rtt: { nanos: 3_000_000 },
      flaps: 2,
    }],
  };
  await t.step("table", async () => {
    const { out } = await runClient(["hub", "servers", "-n", "-s", hub.address, "-o", "table"]);
    assert.equal(
      out.replace(/1m3\ds ago/, "1m30s ago"),
      `NAME    STATE    LABELS             VERSION  SINCE                 LAST SEEN  RTT   CALLS      FLAPS  LAST CLOSED BECAUSE
edge-1  ONLINE   env=prod,site=ams  -        2023-11-14T22:13:20Z  -          12ms  3 (1 now)  0      -
edge-2  OFFLINE  -                  -        -                     1m30s ago  3ms   0          2      No byte for 15 s
`,
    );
  });
  await t.step("a terminal gets the table", async () => {
    const args = ["hub", "servers", "-n", "-s", hub.address];
    assert.match((await runClient(args, { terminal: true })).out, /^NAME /);
  });
  await t.step("list-clients, with its options", async () => {
    const args = ["hub", "list-clients", "-n", "-s", hub.address, "-a", "-l", "env=prod"];
    assert.equal((await runClient(args)).code, 0);
    assert.partialDeepStrictEqual(hub.calls.at(-1)?.request, {
      includeOffline: true,
      labels: { env: "prod" },
    });
  });
});

hubTest("hub servers that fits nobody does not say that nobody is registered", async (hub) => {
  hub.script.servers = {};
  const args = ["hub", "servers", "-n", "-s", hub.address, "-l", "env=x", "-o", "table"];
  assert.equal((await runClient(args)).out, "No server found\n");
});

hubTest("hub activity streams until it is cancelled", async (hub) => {
  let cancelled = false;
  hub.script.activity = async function* (signal) {
    yield { seq: 1, kind: "SERVER_REGISTERED", server: "edge-1", time: { seconds: 1_700_000_000 } };
    yield { seq: 2, kind: "CALL_ENDED", server: "edge-1", method: "/a.B/C", status: 5 };
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    cancelled = true;
  };
  const controller = new AbortController();
  let lines = 0;
  const { out } = await runClient([
    "hub",
    "activity-feed",
    "edge-1",
    "-n",
    "-s",
    hub.address,
    "-o",
    "table",
  ], {
    signal: controller.signal,
    onOut: () => {
      if (++lines === 2) controller.abort(new Error("enough"));
    },
  });
  assert.equal(
    out,
    "2023-11-14T22:13:20Z  SERVER_REGISTERED  edge-1\nCALL_ENDED         edge-1  /a.B/C  NOT_FOUND\n",
  );
  assert.partialDeepStrictEqual(hub.calls[0]?.request, { servers: ["edge-1"] });
  while (!cancelled) await new Promise((resolve) => setTimeout(resolve, 1));
});

hubTest(
  "F9: a server was last seen by the hub's clock, whatever the caller's clock says",
  async (hub) => {
    // Ten hours ahead of this machine.
    const seconds = Math.floor(Date.now() / 1000) + 10 * 3600;
    hub.script.servers = {
      servers: [{ name: "edge-1", state: "ONLINE", lastSeen: { seconds: seconds - 65 } }],
      now: { seconds },
    };
    const { out } = await runClient(["hub", "servers", "-n", "-s", hub.address, "-o", "table"]);
    assert.match(out, / 1m5s ago /);
  },
);
