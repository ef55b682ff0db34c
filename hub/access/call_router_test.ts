import assert from "node:assert/strict";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { Connection } from "../../shared/http2/connection.ts";
import { EVERYTHING } from "../../shared/rules/rules.ts";
import { Limits } from "../limits/limits.ts";
import { ReceiveBudget } from "../peer/receive_budget.ts";
import { ResetPacer } from "../peer/reset_pacer.ts";
import type { CallTarget } from "../peer/call_target.ts";
import { CallHeaders } from "./call_head.ts";
import type { CallIdentity } from "./call_identity.ts";
import { CallRouter, type CallRouterOptions } from "./call_router.ts";

const HEAD = new CallHeaders([[":path", "/echo.v1.Echo/Unary"], ["x-hub-server", "edge-1"]]);
const OLGA: CallIdentity = { name: "olga", how: "token", grant: EVERYTHING, credentialUsed: true };
const PEER = { remoteAddress: "192.0.2.1:1", encrypted: true };

type Target = NonNullable<ReturnType<CallRouterOptions["registry"]["pick"]>>;

function target(name: string): Target {
  const nobody = { onOutput() {}, onGoaway() {}, onPong() {}, onError() {}, onFault() {} };
  const events = { ...nobody, onRequest: () => assert.fail() };
  const connection = new Connection(events, { role: "client" });
  const made: CallTarget = {
    name,
    hop: "server",
    side: new ReceiveBudget(connection),
    resets: new ResetPacer(connection),
    lost: undefined,
    callsTotal: 0,
  };
  return made as Target;
}

/** A router in a hub in which all is well, but for the changes. */
function router(
  { access = {}, registry = {}, limits = {}, own = () => target("hub") }: {
    readonly access?: Partial<
      CallRouterOptions["authenticator"] & CallRouterOptions["permissions"]
    >;
    readonly registry?: Partial<CallRouterOptions["registry"]>;
    readonly limits?: Partial<CallRouterOptions["limits"]>;
    readonly own?: () => CallTarget;
  },
): CallRouter {
  return new CallRouter({
    authenticator: { authorizeCall: () => ({ ...OLGA, kind: "operator" }), ...access },
    permissions: {
      direct: () => ({ to: "server", name: "edge-1" }),
      notHere: (server) => new RpcError(Status.UNAVAILABLE, `"${server}" is away`),
      permitForwarded: () => undefined,
      ...access,
    },
    registry: { pick: () => undefined, waitFor: () => assert.fail(), ...registry },
    limits: { ownRefusal: () => undefined, refusal: () => undefined, ...limits },
    own,
  });
}

const error = (text: string) => new RpcError(Status.RESOURCE_EXHAUSTED, text);

Deno.test("CallRouter.identify() keeps of an operator what a call needs", async () => {
  const operator = { ...OLGA, kind: "operator", how: "certificate" } as const;
  assert.deepEqual(router({ access: { authorizeCall: () => operator } }).identify(HEAD, PEER), {
    name: "olga",
    how: "certificate",
    grant: EVERYTHING,
    credentialUsed: false,
  });
  const refused = error("who?");
  const later = router({ access: { authorizeCall: () => Promise.resolve(refused) } });
  assert.equal(await later.identify(HEAD, PEER), refused);
});

Deno.test("CallRouter.route() says where a call goes, or why nowhere", async (t) => {
  const [edge, hub] = [target("edge-1"), target("hub")];
  const rows: Readonly<Record<string, readonly [Parameters<typeof router>[0], unknown]>> = {
    "to the server's open tunnel": [
      { registry: { pick: () => edge } },
      { server: "edge-1", target: edge, waitMs: 0 },
    ],
    "to a server that is away": [
      { access: { direct: () => ({ to: "server", name: "edge-1", waitMs: 700 }) } },
      { server: "edge-1", target: undefined, waitMs: 700 },
    ],
    "to the hub's own services": [
      { access: { direct: () => ({ to: "hub" }) }, own: () => hub },
      { server: "", target: hub, waitMs: 0 },
    ],
    "nowhere: it may not": [{ access: { direct: () => error("forbidden") } }, error("forbidden")],
    "nowhere: the server is full": [
      { registry: { pick: () => edge }, limits: { refusal: () => error("full") } },
      error("full"),
    ],
    "nowhere: the hub's own services are full": [
      {
        access: { direct: () => ({ to: "hub" }) },
        limits: { ownRefusal: () => error("full") },
        own: () => assert.fail("nothing is opened for a call that is refused"),
      },
      error("full"),
    ],
  };
  for (const [name, [change, expected]] of Object.entries(rows)) {
    await t.step(name, () => {
      const routed = router(change).route(HEAD, OLGA);
      if (expected instanceof RpcError) {
        assert.equal((routed as RpcError).message, expected.message);
      } else assert.deepEqual(routed, expected);
    });
  }
});

Deno.test("CallRouter.route() counts a server's open streams against its limit", () => {
  const edge = target("edge-1");
  const limits = new Limits({ maxCallsPerServer: 0 });
  const full = router({
    registry: { pick: () => edge },
    limits: { refusal: (operator, place) => limits.refusal(operator, place) },
  });
  assert.match((full.route(HEAD, OLGA) as RpcError).message, /"edge-1" has 0 calls in flight/);
});

Deno.test("CallRouter.waitFor() gives the tunnel of a server that comes", async (t) => {
  const edge = target("edge-1");
  const call = { head: HEAD, server: "edge-1", identity: OLGA };
  const signal = new AbortController().signal;
  await t.step("in time", async () => {
    const comes = router({ registry: { waitFor: () => Promise.resolve(edge) } });
    assert.equal(await comes.waitFor(call, { waitMs: 60_000, signal }), edge);
  });
  await t.step("not if its labels say that the caller may not call it", async () => {
    const comes = router({
      registry: { waitFor: () => Promise.resolve(edge) },
      access: { permitForwarded: () => error("forbidden") },
    });
    await assert.rejects(comes.waitFor(call, { waitMs: 60_000, signal }), /forbidden/);
  });
  await t.step("not when the time is over", async () => {
    const never = router({
      registry: {
        waitFor: (_name, { signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener("abort", () => reject(signal.reason));
          }),
      },
    });
    await assert.rejects(never.waitFor(call, { waitMs: 1, signal }), /"edge-1" is away/);
  });
});
