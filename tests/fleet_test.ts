/**
 * One command for 200 servers: a real hub and real tunnels, of which some are broken and one never
 * answers. The servers count how many are called at the same time.
 *
 * @module
 */
import assert from "node:assert/strict";
import { runClient } from "../client/testing/fake_hub.ts";
import { startHub } from "../hub/hub.ts";
import { type RunningServer, startServer } from "../server/server.ts";
import { toService } from "../server/serving/services.ts";
import { untilAborted } from "../shared/async/until_aborted.ts";
import { unary } from "../shared/grpc/handlers.ts";
import { RpcError } from "../shared/grpc/rpc_error.ts";
import { Status } from "../shared/grpc/status.ts";
import { until } from "./support/until.ts";

const ANYWHERE = { hostname: "127.0.0.1", port: 0 };
const SERVERS = 200;
const PARALLEL = 8;
/** Long for a call on a busy machine, short for a test. */
const PER_TARGET = "20s";

/** What a server does when it is restarted. */
type Behaviour = "works" | "fails" | "throws" | "is silent";

function behaviourOf(i: number): Behaviour {
  if (i === 42) return "is silent";
  if (i % 20 !== 7) return "works";
  return i % 40 === 7 ? "fails" : "throws";
}

/** How often the servers were called, and how many at the same time. */
class Count {
  calls = 0;
  running = 0;
  most = 0;
}

function fluentd(behaviour: Behaviour, count: Count) {
  return toService("fluentd.v1.Fluentd", {
    implementation: {
      Restart: unary<object, object>(async (_request, { signal }) => {
        count.calls++;
        count.most = Math.max(count.most, ++count.running);
        try {
          // Whatever else is to begin, begins.
          for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 0));
          if (behaviour === "is silent") await untilAborted(signal);
          if (behaviour === "throws") throw new RpcError(Status.FAILED_PRECONDITION, "No disk");
          return { status: behaviour === "fails" ? "FAILED_STOPPED" : "SUCCESS" };
        } finally {
          count.running--;
        }
      }),
    },
  });
}

Deno.test("200 servers, of which 10 are broken and one is silent, in one command", async (t) => {
  const count = new Count();
  const hub = await startHub({ tunnelListen: ANYWHERE, callListen: ANYWHERE });
  const names = Array.from({ length: SERVERS }, (_, i) => `edge-${String(i).padStart(3, "0")}`);
  const servers: RunningServer[] = [];
  try {
    for (const [i, name] of names.entries()) {
      const hubUri = new URL(hub.tunnelAddress);
      const labels = { half: String(i % 2) };
      const services = [fluentd(behaviourOf(i), count)];
      servers.push(await startServer({ name, hubUri, labels, services }));
    }
    await until(
      "all servers at the hub",
      () => servers.every(({ agents }) => agents[0]?.state.state === "serving"),
    );
    const to = ["-n", "-s", hub.callAddress];
    const run = (...args: string[]) => runClient(["fluentd", "restart", ...args, ...to, "--yes"]);

    await t.step("each is called once, and never more at once than --parallel", async () => {
      const flags = ["--parallel", String(PARALLEL), "--per-target-timeout", PER_TARGET];
      const { code, out, err } = await run("--all", ...flags);
      assert.equal(code, 4, err);
      assert.equal(count.calls, SERVERS);
      assert.ok(count.most <= PARALLEL && count.most > 1, String(count.most));
      const answers = out.trimEnd().split("\n").map((line) => JSON.parse(line));
      assert.deepEqual(answers.map(({ server }) => server).sort(), names);
      for (const { server, status } of answers) {
        const behaviour = behaviourOf(names.indexOf(server));
        const expected = { "is silent": 4, throws: 9, works: 0, fails: 0 }[behaviour];
        assert.equal(status.code, expected, server);
      }
      const failed = names.filter((_, i) => behaviourOf(i) !== "works");
      const summary = `fluentd.restart: 189 of 200 servers ok; 11 failed: ` +
        `${failed.slice(0, 10).join(", ")} and 1 more\n`;
      assert.ok(err.endsWith(summary), err.slice(-400));
    });
    await t.step("a selection means half of them, and the first failure stops it", async () => {
      const before = count.calls;
      const { code, err } = await run("-l", "half=1", "--parallel", "1", "--max-failures", "0");
      assert.equal(code, 4);
      assert.equal(count.calls - before, 4);
      assert.match(err, /3 of 100 servers ok; 1 failed: edge-007; 96 not tried: edge-009, /);
    });
    await t.step("a server that is away is a failure", async () => {
      await servers[0]![Symbol.asyncDispose]();
      const { code, err } = await run("edge-000", "edge-001");
      assert.equal(code, 4);
      assert.match(err, /^\[edge-000\] error: .*: UNAVAILABLE: /m);
    });
  } finally {
    await Promise.all(servers.slice(1).map((server) => server[Symbol.asyncDispose]()));
    hub.close();
    await hub.closed;
  }
});
