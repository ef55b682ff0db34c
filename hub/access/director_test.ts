import assert from "node:assert/strict";
import { nearest } from "../../shared/text/closest.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status, type StatusName } from "../../shared/grpc/status.ts";
import type { Field } from "../../shared/http2/header_list.ts";
import { direct, directRaw, type Route, type RouteView, wishOf } from "./director.ts";
import { MAX_NAMES_SHOWN } from "../errors.ts";
import { Registry } from "../registry/registry.ts";

const LAST_SEEN_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

/** A view with these names here, and these away. */
function view(online: readonly string[], away: readonly string[] = []): RouteView {
  return {
    known: () => [...online, ...away],
    isOnline: (name) => online.includes(name),
    has: (name) => online.includes(name) || away.includes(name),
    nearest: (name) => nearest(name, [...online, ...away]),
    lastSeen: () => ({ lastSeenMs: LAST_SEEN_MS, reason: "Peer went away" }),
  };
}

const CALL = "/fluentd.v1.Fluentd/Start";
const LIST = "/ghub.v1.Hub/ListServers";
const HEALTH = "/grpc.health.v1.Health/Check";
const REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const REFLECT_ALPHA = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

interface Row {
  what: string;
  path?: string;
  authority?: string;
  fields?: Field[];
  here?: string[];
  away?: string[];
  /** `hub`, `name`, `name after 500` (waits), or a status and what its message says. */
  goes: string | [code: StatusName, says: RegExp];
}

const two = ["edge-1", "edge-2"];
const server = (name: string): Field => ["x-hub-server", name];
const wait = (text: string): Field => ["x-hub-wait", text];

const TABLE: Row[] = [
  // Rule 1: metadata.
  { what: "x-hub-server", fields: [server("edge-2")], here: two, goes: "edge-2" },
  {
    what: "name, as the prototype had it",
    fields: [["name", "edge-2"]],
    here: two,
    goes: "edge-2",
  },
  {
    what: "both, the same",
    fields: [server("edge-2"), ["name", "edge-2"]],
    here: two,
    goes: "edge-2",
  },
  { what: "an upstream", fields: [server("edge-1/pay")], here: ["edge-1/pay"], goes: "edge-1/pay" },
  {
    what: "metadata before authority",
    fields: [server("edge-2")],
    authority: "edge-1.hub:9090",
    here: two,
    goes: "edge-2",
  },
  {
    what: "metadata before the only server",
    fields: [server("edge-9")],
    here: ["edge-1"],
    goes: ["NOT_FOUND", /"edge-9" was never here; near to it are: edge-1/],
  },
  {
    what: "other metadata is not looked at",
    fields: [["x-hub-server-x", "edge-2"], ["names", "edge-2"]],
    here: ["edge-1"],
    goes: "edge-1",
  },
  // Rule 2: authority.
  { what: "first label", authority: "edge-2.hub.example:9090", here: two, goes: "edge-2" },
  { what: "label alone", authority: "edge-2", here: two, goes: "edge-2" },
  { what: "label in capitals", authority: "EDGE-2.Hub:9090", here: two, goes: "edge-2" },
  {
    what: "label that is away",
    authority: "edge-3.hub:9090",
    here: two,
    away: ["edge-3"],
    goes: [
      "UNAVAILABLE",
      /"edge-3" is away, last seen 2026-01-02T03:04:05.000Z \(Peer went away\)/,
    ],
  },
  { what: "unknown label: next rule", authority: "hub:9090", here: ["edge-1"], goes: "edge-1" },
  {
    what: "an IPv4 address has no label",
    authority: "127.0.0.1:9090",
    here: ["127", "edge-1"],
    goes: ["INVALID_ARGUMENT", /127, edge-1/],
  },
  {
    what: "an IPv6 address has no label",
    authority: "[::1]:9090",
    here: ["::1", "edge-1"],
    goes: ["INVALID_ARGUMENT", /edge-1/],
  },
  // Rule 3: the only one.
  { what: "the only server", here: ["edge-1"], goes: "edge-1" },
  { what: "the only one beside its upstream", here: ["edge-1", "edge-1/pay"], goes: "edge-1" },
  { what: "the only upstream", here: ["edge-1/pay"], goes: "edge-1/pay" },
  {
    what: "two upstreams",
    here: ["edge-1/a", "edge-1/b"],
    goes: ["INVALID_ARGUMENT", /edge-1\/a, edge-1\/b/],
  },
  {
    what: "C1: another one is away: nobody knows which is meant",
    here: ["edge-2"],
    away: ["edge-1"],
    goes: ["INVALID_ARGUMENT", /x-hub-server\. Known are: edge-1 \(away\), edge-2$/],
  },
  {
    what: "C1: two that are away",
    away: ["edge-2", "edge-1"],
    goes: ["INVALID_ARGUMENT", /Known are: edge-1 \(away\), edge-2 \(away\)$/],
  },
  {
    what: "C1: the only known one is meant, also if it is away",
    away: ["edge-1"],
    goes: ["UNAVAILABLE", /"edge-1" is away/],
  },
  {
    what: "C1: the only one that is known is waited for",
    away: ["edge-1"],
    fields: [wait("30s")],
    goes: "edge-1 after 30000",
  },
  {
    what: "C1: an upstream that is away makes no choice",
    here: ["edge-1"],
    away: ["edge-1/pay"],
    goes: "edge-1",
  },
  {
    what: "C1: a server that is away counts before upstreams",
    here: ["edge-1/pay"],
    away: ["edge-1"],
    goes: ["UNAVAILABLE", /"edge-1" is away/],
  },
  {
    what: "C1: one of two upstreams is away",
    here: ["edge-1/a"],
    away: ["edge-1/b"],
    goes: ["INVALID_ARGUMENT", /edge-1\/a, edge-1\/b \(away\)$/],
  },
  // Rule 4: none.
  {
    what: "two servers",
    here: ["edge-2", "edge-1"],
    goes: ["INVALID_ARGUMENT", /x-hub-server\. Known are: edge-1, edge-2$/],
  },
  { what: "no server", goes: ["INVALID_ARGUMENT", /No server is registered now/] },
  {
    what: "many servers",
    here: Array.from({ length: MAX_NAMES_SHOWN + 5 }, (_, i) => `edge-${i}`),
    goes: ["INVALID_ARGUMENT", / and 5 more$/],
  },
  // Names that lead nowhere.
  {
    what: "never seen, nothing near",
    fields: [server("zzzzzz")],
    here: two,
    goes: ["NOT_FOUND", /"zzzzzz" was never here$/],
  },
  {
    what: "known but away",
    fields: [server("edge-3")],
    away: ["edge-3"],
    goes: ["UNAVAILABLE", /last seen/],
  },
  // Waiting.
  {
    what: "waits for one that is away",
    fields: [server("edge-3"), wait("500ms")],
    away: ["edge-3"],
    goes: "edge-3 after 500",
  },
  {
    what: "waits for one that was never here",
    fields: [server("edge-3"), wait("30s")],
    goes: "edge-3 after 30000",
  },
  {
    what: "does not wait for one that is here",
    fields: [server("edge-1"), wait("30s")],
    here: two,
    goes: "edge-1",
  },
  {
    what: "waits by authority",
    authority: "edge-3.hub",
    fields: [wait("1m")],
    away: ["edge-3"],
    goes: "edge-3 after 60000",
  },
  ...["30", "", "-1s", "1.5s", "2h", "99999999999s", "30s, 30s", "s"].map((text): Row => ({
    what: `bad wait ${JSON.stringify(text)}, even if it is not needed`,
    fields: [server("edge-1"), wait(text)],
    here: two,
    goes: ["INVALID_ARGUMENT", /x-hub-wait/],
  })),
  // Bad metadata.
  ...["Edge-1", "", "a/b/c", "a,b", "x".repeat(200), "é", "a b"].map((text): Row => ({
    what: `bad name ${JSON.stringify(text)}`,
    fields: [server(text)],
    here: two,
    goes: ["INVALID_ARGUMENT", /^Bad server name .{0,80} in metadata x-hub-server/],
  })),
  {
    what: "bad name in name",
    fields: [["name", "John Smith"]],
    here: two,
    goes: ["INVALID_ARGUMENT", /"John Smith" in metadata name/],
  },
  {
    what: "twice",
    fields: [server("edge-1"), server("edge-1")],
    here: two,
    goes: ["INVALID_ARGUMENT", /x-hub-server is there twice/],
  },
  {
    what: "name twice",
    fields: [["name", "edge-1"], ["name", "edge-2"]],
    here: two,
    goes: ["INVALID_ARGUMENT", /name is there twice/],
  },
  {
    what: "wait twice",
    fields: [server("edge-1"), wait("1s"), wait("2s")],
    here: two,
    goes: ["INVALID_ARGUMENT", /x-hub-wait is there twice/],
  },
  {
    what: "conflict",
    fields: [server("edge-1"), ["name", "edge-2"]],
    here: two,
    goes: ["INVALID_ARGUMENT", /x-hub-server says "edge-1" and name says "edge-2"/],
  },
  // The hub's own.
  ...[LIST, HEALTH, REFLECT, REFLECT_ALPHA, "/ghub.v1.Admin/Anything"].flatMap((path): Row[] => [
    { what: `${path} with no server`, path, goes: "hub" },
    { what: `${path} with one server`, path, here: ["edge-1"], goes: "hub" },
    { what: `${path} named`, path, fields: [server("edge-1")], here: two, goes: "edge-1" },
  ]),
  { what: "health by authority", path: HEALTH, authority: "edge-1.hub", here: two, goes: "edge-1" },
  {
    what: "the hub's name looks like a server's",
    path: LIST,
    authority: "edge-1.example:9090",
    here: two,
    goes: "hub",
  },
  {
    what: "bad metadata is bad for the hub's own too",
    path: LIST,
    fields: [server("A")],
    goes: ["INVALID_ARGUMENT", /"A"/],
  },
  {
    what: "a service that only begins alike",
    path: "/ghub.v12.X/Y",
    here: two,
    goes: [
      "INVALID_ARGUMENT",
      /No server is named/,
    ],
  },
  // The tunnel's own.
  ...["/ghub.v1.Tunnel/Welcome", "/ghub.v1.Tunnel/Connect", "/ghub.v1.Tunnel/"].flatMap((path) => [
    { what: path, path, goes: ["PERMISSION_DENIED", /hub and servers only/] } satisfies Row,
    {
      what: `${path} named`,
      path,
      fields: [server("edge-1")],
      here: two,
      goes: ["PERMISSION_DENIED", /hub and servers only/],
    } satisfies Row,
  ]),
  // Nonsense paths go to the server, which answers them.
  ...["", "/", "x", "/a", "//", "*"].map((path): Row => ({
    what: `path ${JSON.stringify(path)}`,
    path,
    here: ["edge-1"],
    goes: "edge-1",
  })),
];

function check(route: Route | RpcError, goes: Row["goes"]): void {
  if (Array.isArray(goes)) {
    assert.ok(route instanceof RpcError, `goes ${JSON.stringify(route)}`);
    assert.equal(route.code, Status[goes[0]]);
    assert.match(route.message, goes[1]);
    return;
  }
  assert.ok(!(route instanceof RpcError), String(route));
  const { to, name, waitMs } = { name: undefined, waitMs: undefined, ...route };
  assert.equal([name ?? to, ...(waitMs === undefined ? [] : ["after", waitMs])].join(" "), goes);
}

Deno.test("direct() follows the table", async (t) => {
  for (const { what, path = CALL, authority = "", fields = [], here = [], away, goes } of TABLE) {
    await t.step(
      what,
      () => check(direct(wishOf({ path, authority, fields }), view(here, away)), goes),
    );
  }
});

Deno.test("direct() says in details what a program needs", async (t) => {
  const details = (name: string, away: string[]) => {
    const head = { path: CALL, authority: "", fields: [server(name)] };
    const error = direct(wishOf(head), view(["edge-1"], away));
    assert.ok(error instanceof RpcError);
    return error.details.map(({ value }) => value);
  };
  await t.step("away", () =>
    assert.deepEqual(details("edge-3", ["edge-3"]), [
      {
        reason: "SERVER_OFFLINE",
        domain: "ghub",
        metadata: {
          server: "edge-3",
          last_seen: "2026-01-02T03:04:05.000Z",
          reason: "Peer went away",
        },
      },
      { retryDelay: { seconds: 5, nanos: 0 } },
    ]));
  await t.step("C1: not named", () => {
    const head = { path: CALL, authority: "", fields: [] };
    const error = direct(wishOf(head), view(["edge-2"], ["edge-1"]));
    assert.ok(error instanceof RpcError);
    assert.deepEqual(error.details.map(({ value }) => value), [{
      reason: "SERVER_NOT_NAMED",
      domain: "ghub",
      metadata: { servers: "edge-1,edge-2", away: "edge-1" },
    }]);
  });
  await t.step("never here", () =>
    assert.deepEqual(details("edge-2", []), [{
      reason: "SERVER_NOT_FOUND",
      domain: "ghub",
      metadata: { server: "edge-2", nearest: "edge-1" },
    }]));
});

Deno.test("directRaw() takes the first candidate that is known", async (t) => {
  const candidates = ["pay.edge-1", "edge-1/pay"];
  const table: [what: string, here: string[], away: string[], goes: Row["goes"]][] = [
    ["a server with dots", ["pay.edge-1", "edge-1/pay"], [], "pay.edge-1"],
    ["an upstream", ["edge-1/pay"], [], "edge-1/pay"],
    ["an upstream that is away", [], ["edge-1/pay"], ["UNAVAILABLE", /"edge-1\/pay" is away/]],
    ["neither", [], [], ["NOT_FOUND", /"pay\.edge-1" was never here/]],
  ];
  for (const [what, here, away, goes] of table) {
    await t.step(what, () => check(directRaw(candidates, view(here, away)), goes));
  }
});

Deno.test("directRaw() without a name takes the only server", () => {
  check(directRaw([], view(["edge-1"])), "edge-1");
  check(directRaw([], view(two)), ["INVALID_ARGUMENT", /into the handshake\. Known are/]);
});

Deno.test("C1: directRaw() without a name does not take another server than the one that is away", () => {
  check(directRaw([], view(["edge-2"], ["edge-1"])), [
    "INVALID_ARGUMENT",
    /Known are: edge-1 \(away\), edge-2$/,
  ]);
  check(directRaw([], view([], ["edge-1"])), ["UNAVAILABLE", /"edge-1" is away/]);
});

Deno.test("C1: servers that a restarted hub remembers count too", () => {
  const departure = (name: string) => ({
    info: { name, labels: {}, instance: "", version: "", remoteAddress: "" },
    generation: 1,
    lastSeenMs: LAST_SEEN_MS,
    reason: "The hub ended",
  });
  const registry = new Registry({ departures: [departure("edge-1"), departure("edge-2")] });
  const head = { path: CALL, authority: "", fields: [] };
  const route = direct(wishOf(head), { ...view([]), known: () => registry.known() });
  check(route, ["INVALID_ARGUMENT", /edge-1 \(away\), edge-2 \(away\)$/]);
});
