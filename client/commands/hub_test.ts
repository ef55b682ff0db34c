import assert from "node:assert/strict";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import type { ghub_v1_ClusterState as ClusterState } from "../../shared/gen/types.ts";
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
  await t.step("no line is wider than the terminal, and -o wide shows all", async () => {
    const args = ["hub", "servers", "-n", "-s", hub.address];
    for (const columns of [120, 80, 40, 20]) {
      const { out } = await runClient(args, { terminal: true, columns });
      assert.match(out, /^NAME [^]*\nedge-1 [^]*\nedge-2 [^\n]*\n$/);
      assert.ok(Math.max(...out.split("\n").map((line) => line.length)) <= columns, out);
    }
    const { out } = await runClient([...args, "-o", "wide"], { terminal: true, columns: 40 });
    assert.match(out, /No byte for 15 s\n$/);
  });
  await t.step("list-clients, with its options", async () => {
    const args = ["hub", "list-clients", "-n", "-s", hub.address, "-a", "-l", "env=prod"];
    assert.equal((await runClient(args)).code, 0);
    assert.partialDeepStrictEqual(hub.calls.at(-1)?.request, {
      includeOffline: true,
      selector: "env=prod",
    });
  });
});

hubTest("hub servers -l selects as kubectl does", async (hub, t) => {
  const list = (...args: string[]) =>
    runClient(["hub", "servers", "-n", "-s", hub.address, "-o", "json", ...args]);
  const sent = () => (hub.calls.at(-1)?.request as { selector?: string }).selector;
  const table: [args: string[], selector: string][] = [
    [
      ["-l", "env=prod,role in (edge,core),!canary,site!=ams"],
      "env=prod,role in (edge,core),!canary,site!=ams",
    ],
    [["-l", "env=prod", "-l", "canary"], "env=prod,canary"],
    [["--label", "env=prod"], "env=prod"],
    [["-l", "env=prod", "-d", '{"selector": "site"}'], "site,env=prod"],
  ];
  for (const [args, selector] of table) {
    await t.step(args.join(" "), async () => {
      assert.equal((await list(...args)).code, 0);
      assert.equal(sent(), selector);
    });
  }
  await t.step("from the environment", async () => {
    const env = { GCLIENT_SELECTOR: "role in (edge,core),!canary" };
    await runClient(["hub", "servers", "-n", "-s", hub.address], { env });
    assert.equal(sent(), "role in (edge,core),!canary");
  });
  await t.step("what cannot be read is a usage error, and nobody is called", async () => {
    const { length } = hub.calls;
    const { code, err } = await list("-l", "env=prod,role in edge");
    assert.equal(code, 2);
    assert.match(err, /"\(" is missing after "in" at column 18\n/);
    assert.equal((await list("-l", "")).code, 2);
    assert.equal(hub.calls.length, length);
  });
  await t.step("also at a hub that does not know selectors", async () => {
    hub.script.servers = {
      servers: [{ name: "a", labels: { env: "test" } }, { name: "b", labels: { env: "prod" } }],
    };
    const { servers } = JSON.parse((await list("-l", "env!=test")).out);
    assert.deepEqual(servers.map(({ name }: { name: string }) => name), ["b"]);
  });
});

hubTest("hub servers asks for one page after the other, and prints one list", async (hub, t) => {
  const names = ["a", "b", "c", "d", "e"];
  hub.script.servers = ({ pageToken = "" }) => {
    const page = names.filter((name) => name > pageToken).slice(0, 2);
    const nextPageToken = page.at(-1) === names.at(-1) ? "" : page.at(-1)!;
    return { servers: page.map((name) => ({ name })), nextPageToken };
  };
  const args = ["hub", "servers", "-n", "-s", hub.address, "-l", "!gone", "-o", "json"];
  await t.step("of all servers", async () => {
    const { out, code } = await runClient(args);
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(out), { servers: names.map((name) => ({ name })) });
    const requests = hub.calls.map(({ request }) => request as Record<string, string>);
    assert.deepEqual(requests.map(({ pageToken = "" }) => pageToken), ["", "b", "d"]);
    assert.ok(requests.every(({ selector }) => selector === "!gone"));
  });
  await t.step("in an envelope", async () => {
    const { response } = JSON.parse((await runClient([...args, "--envelope"])).out);
    assert.equal(response.servers.length, 5);
  });
  await t.step("a page that fails is an error, and no shorter list", async () => {
    const { servers } = hub.script;
    hub.script.servers = (request) => {
      if (request.pageToken === "d") throw new RpcError(Status.PERMISSION_DENIED, "No more");
      return (servers as (request: object) => object)(request);
    };
    const { out, code } = await runClient(args);
    assert.deepEqual({ out, code }, { out: "", code: 71 });
    hub.script.servers = servers;
  });
  await t.step("a list without an end ends", async () => {
    hub.script.servers = () => ({ servers: [{ name: "a" }], nextPageToken: "a" });
    const { code, err } = await runClient(args);
    assert.equal(code, 77);
    assert.match(err, /list of servers has no end/);
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

hubTest(
  "hub servers says what a hub does not know that is detached from its cluster",
  async (hub, t) => {
    const list = (...args: string[]) =>
      runClient(["hub", "servers", "-n", "-s", hub.address, ...args]);
    const cluster = {
      hub: "west",
      engineAway: { seconds: 12 },
      reason: "no answer",
      provisional: 2,
    };
    type State = NonNullable<ClusterState["state"]>;
    const states: [state: State, warning: RegExp | undefined][] = [
      ["MEMBER", undefined],
      [
        "JOINING",
        /^warning: Hub "west" has not joined its cluster yet \(no answer\): it knows only /m,
      ],
      [
        "DETACHED",
        /^warning: Hub "west" is detached from its cluster for 12s \(no answer\): .* of 2 /m,
      ],
      ["LEAVING", /^warning: Hub "west" is leaving its cluster$/m],
    ];
    for (const [state, warning] of states) {
      await t.step(state, async () => {
        hub.script.servers = { servers: [], cluster: { ...cluster, state } };
        const { code, out, err } = await list("-o", "table");
        assert.equal(code, 0);
        if (warning === undefined) assert.equal(err, "");
        else assert.match(err, warning);
        assert.doesNotMatch(out, /warning/);
        const { cluster: told } = JSON.parse((await list("-o", "json")).out);
        assert.deepEqual([told.hub, told.state, told.provisional], ["west", state, 2]);
      });
    }
    await t.step("a hub that was silent", async () => {
      hub.script.servers = { servers: [], hubsSilent: ["east"] };
      assert.match((await list()).err, /^warning: Hub "east" did not answer: /m);
    });
  },
);
