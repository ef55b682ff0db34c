/**
 * The wall clock jumps, at the hub or at the server, while tunnels and calls stand: nothing is
 * closed, no deadline comes early or late, and only a credential that has an end looks at it.
 */
import assert from "node:assert/strict";
import { Status } from "../../shared/grpc/status.ts";
import { ok } from "../call_suite/expect.ts";
import { EchoClient } from "../support/echo_client.ts";
import { assertSameTunnel, listed, reasonOf } from "../support/facts.ts";
import { FakeClock, findLibFaketime } from "../support/fake_clock.ts";
import { until } from "../support/until.ts";
import { World } from "../support/world.ts";

const DAY_S = 86_400;
/** Silence that closes a tunnel in this test; a slow machine is silent for a while as well. */
const DEAD_AFTER_MS = 4_000;
/** Longer than all jumps take on a quick machine. */
const DEADLINE_MS = 45_000;
const TOKEN = "an-operator-of-a-test-whose-token-ends";

const library = findLibFaketime();

async function authFile(dir: string): Promise<string> {
  const hash = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode(TOKEN)),
  );
  const expires = new Date(Date.now() + 5 * DAY_S * 1_000).toISOString().slice(0, 10);
  const path = `${dir}/auth.yaml`;
  await Deno.writeTextFile(
    path,
    `version: 1
allowLoopback: true
operators:
  - id: ada
    tokens: [{ sha256: ${hash.toHex()}, expires: ${expires} }]
    rules: [{ servers: "**", methods: "*", effect: allow }]
`,
    { mode: 0o600 },
  );
  return path;
}

Deno.test({
  name: "clock jumps: tunnels, calls and deadlines do not notice",
  ignore: library === undefined && Deno.env.get("CI") === undefined,
  async fn(t) {
    assert.ok(library, "the package faketime is not installed");
    const dir = await Deno.makeTempDir({ prefix: "ghub-clock-" });
    using hubClock = new FakeClock(library);
    using serverClock = new FakeClock(library);
    try {
      await using world = await World.start({
        servers: [{ name: "edge-1", env: serverClock.env }],
        hubEnv: hubClock.env,
        hubArgs: [
          ...["--ping-interval", "1s", "--dead-after", `${DEAD_AFTER_MS}ms`],
          ...["--auth-file", await authFile(dir)],
        ],
      });
      using client = world.path("edge-1").client();
      const tunnel = await listed(world, "edge-1");
      const stream = client.bidi();
      const echoed = async () => {
        const answer = new Promise((resolve) => stream.call.once("data", resolve));
        stream.call.write({ data: new Uint8Array(3) });
        await answer;
      };
      await echoed();
      const startedMs = performance.now();
      let ended = false;
      const hanging = client.unary({ hang: true }, { timeoutMs: DEADLINE_MS })
        .finally(() => ended = true);

      /** What the hub believes of the time, by when it last heard of the server. */
      const hubTimeMs = async () => {
        const lastSeen = (await listed(world, "edge-1"))?.lastSeen;
        return Number(lastSeen?.seconds ?? 0) * 1_000;
      };
      const jumps: [name: string, clock: FakeClock, offsetS: number][] = [
        ["the hub's, a day ahead", hubClock, DAY_S],
        ["the hub's, from there to a day back", hubClock, -DAY_S],
        ["the hub's, five minutes ahead", hubClock, 300],
        ["the hub's, five minutes back", hubClock, -300],
        ["the server's, a day ahead", serverClock, DAY_S],
        ["the server's, a day back", serverClock, -DAY_S],
        ["both, five minutes back", serverClock, -300],
      ];
      for (const [name, clock, offsetS] of jumps) {
        await t.step(name, async () => {
          clock.set(offsetS);
          await until("the hub to have the new time", async () => {
            return Math.abs(await hubTimeMs() - Date.now() - hubClock.offsetS * 1_000) < 30_000;
          });
          const jumpedMs = performance.now();
          await until("more than the silence that closes a tunnel", async () => {
            ok(await client.unary({}));
            await new Promise((resolve) => setTimeout(resolve, 50));
            return performance.now() - jumpedMs > 1.25 * DEAD_AFTER_MS;
          });
          await echoed();
          await assertSameTunnel(world, tunnel);
          // However slow this machine is: only the true time ends it.
          if (ended) assert.ok(performance.now() - startedMs >= DEADLINE_MS - 100);
        });
      }

      await t.step("a deadline comes when it is due", async () => {
        assert.equal((await hanging).code, Status.DEADLINE_EXCEEDED);
        assert.ok(performance.now() - startedMs >= DEADLINE_MS - 100);
        const soon = await client.unary({ hang: true }, { timeoutMs: 300 });
        assert.equal(soon.code, Status.DEADLINE_EXCEEDED);
      });
      stream.call.end();
      ok(await stream.outcome);

      await t.step(
        "a credential that has an end looks at the wall clock, and at no other",
        async () => {
          using ada = new EchoClient(world.callAddress, {
            metadata: { "x-hub-server": "edge-1", "authorization": `Bearer ${TOKEN}` },
          });
          ok(await ada.unary({}));
          const open = ada.serverStream({ headersFirst: true, hang: true });
          await open.headers;
          hubClock.set(20 * DAY_S);
          const outcome = await open.outcome;
          assert.deepEqual(
            [outcome.code, reasonOf(outcome)],
            [Status.UNAUTHENTICATED, "CREDENTIAL_EXPIRED"],
          );
          assert.equal((await ada.unary({})).code, Status.UNAUTHENTICATED);
          ok(await client.unary({}));
          hubClock.set(0);
          await until("the clock to be right again", async () => (await ada.unary({})).code === 0);
          await assertSameTunnel(world, tunnel);
        },
      );
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});
