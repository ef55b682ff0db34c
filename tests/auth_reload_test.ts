/**
 * What happens to those who are in when the auth file changes, or their credential ends: who is
 * no longer permitted is put out with a reason, and nobody else notices.
 *
 * @module
 */
import assert from "node:assert/strict";
import { configureLog, resetLog } from "../shared/cli/log.ts";
import { Status } from "../shared/grpc/status.ts";
import {
  AuthWorld,
  authYaml,
  GET,
  hashOf,
  jwt,
  STOP,
  tokenOf,
  UNARY,
} from "./support/auth_world.ts";
import { type BareAnswer, bareCall, callFields } from "./support/bare_call.ts";
import { shakeHands } from "./support/raw_path.ts";
import { RawTunnel } from "./support/raw_tunnel.ts";
import { until, within } from "./support/until.ts";
import { RefusedError } from "./support/witness.ts";

function call(
  world: AuthWorld,
  { token, server = "edge-1", path = GET, hold = false }: {
    token: string;
    server?: string;
    path?: string;
    hold?: boolean;
  },
): Promise<BareAnswer> {
  const more: [string, string][] = [
    ["x-hub-server", server],
    ["authorization", `Bearer ${token}`],
    ...(hold ? [["x-hold", "1"] satisfies [string, string]] : []),
  ];
  return bareCall(world.hub.callAddress, callFields({ path, more }));
}

/** A call that goes on until it is put out. */
async function held(world: AuthWorld, options: Parameters<typeof call>[1]) {
  const before = world.seen.length;
  const answer = call(world, { ...options, hold: true });
  let ended = false;
  void answer.then(() => ended = true);
  await until("the call to arrive", () => ended || world.seen.length > before);
  assert.ok(world.seen.length > before, "it was refused");
  return { answer, ended: () => ended };
}

Deno.test("a revoked operator's calls and raw connections end, the others' go on", async () => {
  await using world = await AuthWorld.start({ servers: ["edge-1"] });
  const stopper = await held(world, { token: tokenOf("stopper") });
  const root = await held(world, { token: tokenOf("root") });
  const raw = await shakeHands(world.hub.callAddress, {
    server: "edge-1",
    token: tokenOf("prod"),
  });
  assert.ok(raw.answer.ok);
  const rawClosed = new Promise((resolve) => raw.socket.once("close", resolve));
  raw.socket.resume();
  await world.rewrite(
    authYaml().replaceAll(hashOf("stopper"), hashOf("another")).replaceAll(
      hashOf("prod"),
      hashOf("yet another"),
    ),
  );
  const answer = await within("the revoked call's end", stopper.answer);
  assert.equal(answer.status, Status.UNAUTHENTICATED);
  assert.match(answer.message, /The hub no longer lets "stopper" in: Wrong token/);
  assert.equal(answer.fields.get("x-hub-forwarded"), "1");
  await within("the revoked raw connection's end", rawClosed);
  assert.equal((await call(world, { token: tokenOf("stopper") })).status, Status.UNAUTHENTICATED);
  assert.equal((await call(world, { token: tokenOf("another") })).status, Status.OK);
  assert.equal(root.ended(), false);
});

Deno.test("who is revoked while a server has not accepted a raw connection yet does not get it", async () => {
  await using world = await AuthWorld.start({ servers: [] });
  // It never accepts.
  using edge = await RawTunnel.open(world.hub.tunnelAddress, {
    name: "edge-1",
    headers: { authorization: `Bearer ${tokenOf("edges")}`, "x-hub-meta-labels": "env=prod" },
  });
  let asked = "";
  edge.socket.on("data", (bytes) => asked += bytes.toString("latin1"));
  const { callAddress } = world.hub;
  const raw = shakeHands(callAddress, { server: "edge-1", token: tokenOf("prod") });
  await until("the server to be asked", () => asked.includes("/ghub.v1.Tunnel/Connect"));
  await world.rewrite(authYaml().replaceAll(hashOf("prod"), hashOf("another")));
  const { socket, answer } = await within("the refusal", raw);
  socket.destroy();
  assert.equal(answer.code, "UNAUTHENTICATED");
  assert.match(answer.message ?? "", /The hub no longer lets "prod" in: Wrong token/);
});

Deno.test("a call that the new rules forbid ends, one that they allow goes on", async () => {
  await using world = await AuthWorld.start({ servers: ["edge-1"] });
  const forbidden = await held(world, { token: tokenOf("root"), path: STOP });
  const allowed = await held(world, { token: tokenOf("root"), path: GET });
  await world.rewrite(
    authYaml().replace(
      'rules: [{ servers: "**", methods: "*", effect: allow }]',
      `rules: [{ servers: "**", methods: "*", effect: allow }, { servers: "**", methods: "${STOP}", effect: deny }]`,
    ),
  );
  const { status, message } = await within("the forbidden call's end", forbidden.answer);
  assert.equal(status, Status.PERMISSION_DENIED);
  assert.match(message, /no longer lets "root" in: "root" may not call/);
  assert.equal(allowed.ended(), false);
  assert.equal((await call(world, { token: tokenOf("root"), path: UNARY })).status, Status.OK);
});

Deno.test("a revoked server's tunnel closes and says why; its next token is good", async () => {
  await using world = await AuthWorld.start({ servers: ["edge-1", "edge-2", "lab-1"] });
  const ongoing = await held(world, { token: tokenOf("root") });
  await world.rewrite(authYaml().replace(`"${hashOf("edges")}", `, ""));
  const { code, reason } = await within("the tunnel's end", world.servers.get("edge-1")!.closed);
  assert.equal(code, 1008);
  assert.match(reason, /The hub no longer lets "edges" in: Wrong token/);
  const { status, message } = await ongoing.answer;
  assert.equal(status, Status.UNAVAILABLE);
  assert.match(message, /no longer lets "edges" in/);
  await assert.rejects(world.register("edge-1", { token: tokenOf("edges") }), RefusedError);
  await using _ = await world.register("edge-1", { token: tokenOf("edges-next") });
  // These two were let in by other credentials, which are as good as before.
  for (const server of ["edge-1", "edge-2", "lab-1"]) {
    assert.equal((await call(world, { token: tokenOf("root"), server })).status, Status.OK, server);
  }
});

Deno.test("a server whose labels or name are no longer its own is put out", async () => {
  await using world = await AuthWorld.start({ servers: ["edge-1", "edge-2"] });
  await world.rewrite(authYaml().replace("env: [prod, dev]", "env: dev"));
  const { reason } = await within("the tunnel's end", world.servers.get("edge-1")!.closed);
  assert.match(reason, /"edges" may not claim the label "env=prod"/);
  assert.equal(
    (await call(world, { token: tokenOf("root"), server: "edge-2" })).status,
    Status.OK,
  );
});

Deno.test("calls and tunnels end with the JWT that let them in", async () => {
  await using world = await AuthWorld.start({ servers: ["edge-2"] });
  const begin = async (expiresInS: number) => {
    const operator = await jwt({ expiresInS });
    const server = await jwt({ claims: { role: "plant", sub: "ams" }, expiresInS });
    await using stack = new AsyncDisposableStack();
    const plant = stack.use(await world.register("plant-ams", { token: server }));
    const ongoing = await held(world, { token: operator, server: "edge-2" });
    const begun = stack.move();
    return { plant, ongoing, [Symbol.asyncDispose]: () => begun.disposeAsync() };
  };
  // A machine that stands still for eight seconds gets longer ones.
  await using both = await begin(8).catch(() => begin(60));
  const { plant, ongoing } = both;
  const { status, message } = await within("the call's end", ongoing.answer);
  assert.equal(status, Status.UNAUTHENTICATED);
  assert.match(message, /The hub no longer lets "soc" in: The JWT has expired/);
  const { code, reason } = await within("the tunnel's end", plant.closed);
  assert.equal(code, 1008);
  assert.match(reason, /no longer lets "plants" in: The JWT has expired/);
});

Deno.test("a broken file is not applied, and a good one after it is", async () => {
  const lines: string[] = [];
  await configureLog({ level: "error", write: (line) => lines.push(line) });
  await using stack = new AsyncDisposableStack();
  stack.defer(resetLog);
  const world = stack.use(await AuthWorld.start({ servers: ["edge-1"] }));
  const root = tokenOf("root");
  const ongoing = await held(world, { token: root });
  // Broken, and with another meaning besides: nothing of it must come into force.
  const heir = authYaml().replaceAll(hashOf("root"), hashOf("heir"));
  for (const broken of [`${heir}\nrubbish: [`, `${heir}\nrubbish: x`, heir.slice(0, 700), ""]) {
    lines.length = 0;
    await world.rewrite(broken);
    await until(
      "a complaint",
      () => lines.some((line) => /changed but is NOT in force/.test(line)),
    );
    assert.equal((await call(world, { token: root })).status, Status.OK);
    assert.equal((await call(world, { token: tokenOf("heir") })).status, Status.UNAUTHENTICATED);
  }
  assert.equal((await call(world, { token: root })).status, Status.OK);
  assert.equal(ongoing.ended(), false);
  await world.rewrite(heir);
  assert.equal((await within("the call's end", ongoing.answer)).status, Status.UNAUTHENTICATED);
  assert.equal((await call(world, { token: tokenOf("heir") })).status, Status.OK);
});

Deno.test("a rotation in the middle of many calls loses none that is still permitted", async () => {
  await using world = await AuthWorld.start({ servers: ["edge-1"] });
  const both = authYaml().replace(
    `tokens: ["${hashOf("root")}"]`,
    `tokens: ["${hashOf("root")}", "${hashOf("heir")}"]`,
  );
  const heirOnly = authYaml().replaceAll(hashOf("root"), hashOf("heir"));
  const steps = [both, heirOnly];
  const counts = { root: 0, heir: 0, refused: 0 };
  let stop = false;
  const caller = async (who: "root" | "heir", mayFail: () => boolean) => {
    while (!stop) {
      const { status, message } = await call(world, { token: tokenOf(who) });
      if (status === Status.OK) counts[who]++;
      else {
        assert.equal(status, Status.UNAUTHENTICATED, message);
        assert.ok(mayFail(), `${who} was refused: ${message}`);
        counts.refused++;
        return;
      }
    }
  };
  let phase = 0;
  const callers = [caller("root", () => phase > 1)];
  await world.rewrite(steps[0]!);
  await until(
    "the heir to be let in",
    async () => (await call(world, { token: tokenOf("heir") })).status === Status.OK,
  );
  phase = 1;
  callers.push(caller("heir", () => false));
  await until("calls of both", () => counts.heir > 100 && counts.root > 100);
  phase = 2;
  await world.rewrite(steps[1]!);
  await until("the old token to be refused", () => counts.refused > 0);
  const before = counts.heir;
  await until("more calls of the heir", () => counts.heir > before + 100);
  stop = true;
  await Promise.all(callers);
});
