import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { VERSION } from "../../shared/version.ts";
import { PATIENCE_MS } from "../../tests/support/until.ts";
import type { ClusterUsage } from "../cluster/cluster.ts";
import { Limits } from "../limits/limits.ts";
import type { PeerUsage } from "../links/peer_port.ts";
import { MAX_REQUESTS, startMetrics } from "./metrics.ts";

const NO_CLUSTER: ClusterUsage = {
  ...{ state: "joining", engineAwayS: 0, hubs: 0, provisional: 0, fault: "" },
  ...{ engineRoundTripS: 0, viewLagS: 0 },
};
const NO_LINKS: PeerUsage = {
  ...{ up: 0, down: 0, roundTrips: [] },
  forwarded: { answered: 0, refused: 0, unknown: 0, stopped: 0 },
};
const HERE = { listen: { hostname: "127.0.0.1", port: 0 }, timeoutMs: PATIENCE_MS };

Deno.test("startMetrics() tells when the certificate ends that is in use now", async () => {
  let end = new Date("2027-01-31T00:00:00Z");
  using metrics = startMetrics({
    ...HERE,
    certificate: { file: 'a "b".crt', notAfter: () => end },
  });
  const read = async () => {
    const response = await fetch(`http://${metrics.address}/metrics`);
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
    return await response.text();
  };
  const line = (seconds: number) =>
    `ghub_tls_certificate_expiry_timestamp_seconds{file="a \\"b\\".crt"} ${seconds}`;
  const text = await read();
  assert.ok(text.split("\n").includes(line(end.getTime() / 1000)), text);
  assert.ok(text.includes(`ghub_build_info{version="${VERSION}"} 1`), text);
  end = new Date("2028-01-31T00:00:00Z");
  assert.ok((await read()).includes(line(end.getTime() / 1000)), "it was renewed");
});

Deno.test("startMetrics() says nothing of a certificate where there is none", async () => {
  using metrics = startMetrics(HERE);
  const text = await (await fetch(`http://${metrics.address}/metrics`)).text();
  assert.doesNotMatch(text, /certificate/);
});

Deno.test("startMetrics() tells of the hub's cluster and of its links", async () => {
  let state: ClusterUsage["state"] = "detached";
  const links = {
    up: 1,
    down: 1,
    roundTrips: [{ hub: "east", rttMs: 1.5 }],
    forwarded: { answered: 7, refused: 2, unknown: 1, stopped: 3 },
  };
  using metrics = startMetrics({
    ...HERE,
    cluster: () => ({
      ...{ state, engineAwayS: 12, hubs: 3, provisional: 2, fault: "" },
      ...{ engineRoundTripS: 0.004, viewLagS: 0.02 },
    }),
    links: () => links,
  });
  const read = async () => {
    const text = await (await fetch(`http://${metrics.address}/metrics`)).text();
    return text.split("\n").filter((line) => /^ghub_(cluster|engine|link|forwarded)/.test(line));
  };
  assert.deepEqual((await read()).sort(), [
    "ghub_cluster_hubs 3",
    "ghub_cluster_member 0",
    "ghub_cluster_provisional_servers 2",
    'ghub_cluster_state{state="detached"} 1',
    'ghub_cluster_state{state="joining"} 0',
    'ghub_cluster_state{state="leaving"} 0',
    'ghub_cluster_state{state="member"} 0',
    "ghub_cluster_view_lag_seconds 0.02",
    "ghub_engine_away_seconds 12",
    "ghub_engine_round_trip_seconds 0.004",
    'ghub_forwarded_calls_total{outcome="answered"} 7',
    'ghub_forwarded_calls_total{outcome="refused"} 2',
    'ghub_forwarded_calls_total{outcome="stopped"} 3',
    'ghub_forwarded_calls_total{outcome="unknown"} 1',
    'ghub_link_round_trip_seconds{hub="east"} 0.0015',
    'ghub_links{state="down"} 1',
    'ghub_links{state="up"} 1',
  ]);
  state = "member";
  links.roundTrips = [];
  const lines = await read();
  assert.ok(lines.includes("ghub_cluster_member 1"));
  assert.ok(!lines.some((line) => line.includes("east")), "a link that is lost has no figure");
});

Deno.test("docs/operations.md lists all metrics, and no others", async () => {
  using metrics = startMetrics({
    ...HERE,
    usage: () => new Limits({}).usage(),
    cluster: () => NO_CLUSTER,
    links: () => NO_LINKS,
    workerConnections: () => [1, 2],
    lastReloadGood: () => true,
    certificate: { file: "a.crt", notAfter: () => new Date() },
  });
  const text = await (await fetch(`http://${metrics.address}/metrics`)).text();
  const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  const docs = Deno.readTextFileSync(new URL("../../docs/operations.md", import.meta.url));
  const listed = [...docs.matchAll(/^\| `(ghub_\w+)` +\|/gm)].map(([, name]) => name);
  assert.deepEqual(listed.sort(), names.sort());
});

Deno.test("startMetrics() answers what is no question for metrics", async (t) => {
  using metrics = startMetrics(HERE);
  const table: [method: string, path: string, status: number, text: RegExp][] = [
    ["GET", "/", 404, /Metrics are at \/metrics/],
    ["GET", "/metrics/..", 404, /Metrics are at \/metrics/],
    ["POST", "/metrics", 405, /are read with GET/],
  ];
  for (const [method, path, status, text] of table) {
    await t.step(`${method} ${path}`, async () => {
      const response = await fetch(`http://${metrics.address}${path}`, { method });
      assert.equal(response.status, status);
      assert.match(await response.text(), text);
    });
  }
});

Deno.test("B12: startMetrics() keeps places for others, and closes all connections at its end", async () => {
  const metrics = startMetrics(HERE);
  const [, port] = /:(\d+)$/.exec(metrics.address)!;
  const sockets: net.Socket[] = [];
  const closed: Promise<unknown>[] = [];
  for (let i = 0; i < MAX_REQUESTS * 3 / 4; i++) {
    const socket = net.connect(Number(port), "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    socket.resume();
    sockets.push(socket);
    closed.push(once(socket, "close"));
  }
  const beyond = net.connect(Number(port), "127.0.0.1");
  beyond.on("error", () => {}).resume();
  await once(beyond, "close");
  const other = net.connect({ port: Number(port), host: "127.0.0.1", localAddress: "127.0.0.2" });
  other.end("GET /metrics HTTP/1.1\r\nHost: hub\r\n\r\n");
  const [answer] = await once(other, "data");
  assert.match(String(answer), /^HTTP\/1.1 200 /);
  other.destroy();
  assert.ok(sockets.every(({ destroyed }) => !destroyed));
  metrics[Symbol.dispose]();
  await Promise.all(closed);
});
