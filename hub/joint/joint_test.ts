import assert from "node:assert/strict";
import { type Remote, ThreadChannel } from "../../shared/threads/thread_channel.ts";
import { until } from "../../tests/support/until.ts";
import { verifyAudit } from "../audit/verify.ts";
import { KnownServers } from "../registry/known_servers.ts";
import { Registry } from "../registry/registry.ts";
import { FakeTunnel } from "../testing/fake_tunnel.ts";
import { Joint } from "./joint.ts";
import { JointHost } from "./joint_host.ts";
import { AUDITED, type AuditedThread } from "./testing/audited_thread.ts";

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "ghub-joint-" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Real threads that have begun as workers of a host. */
function threads(host: JointHost): { workers: Remote<AuditedThread>[] } & Disposable {
  const stack = new DisposableStack();
  const workers = [1, 2].map((number) => {
    const thread = new Worker(new URL("./testing/audited_thread.ts", import.meta.url), {
      type: "module",
    });
    stack.defer(() => thread.terminate());
    const channel = stack.use(new ThreadChannel(thread));
    host.serve(channel);
    const remote = channel.to<AuditedThread>(AUDITED);
    remote.tell("begin", { joint: host.task, number });
    return remote;
  });
  return { workers, [Symbol.dispose]: () => stack.dispose() };
}

Deno.test("the audit of two workers is one chain, in which each worker's lines keep their order", () =>
  inFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    const LINES = 3_000;
    /** All files, the oldest first. */
    const files = () => {
      const age = (file: string) => file === path ? 0 : Number(file.slice(path.length + 1));
      return [...Deno.readDirSync(folder)].map(({ name }) => `${folder}/${name}`)
        .sort((a, b) => age(b) - age(a));
    };
    const lines = () =>
      files().flatMap((file) => Deno.readTextFileSync(file).split("\n")).filter(Boolean);
    const count = () => {
      try {
        return lines().length;
      } catch {
        return 0; // One of them was renamed meanwhile.
      }
    };
    {
      await using host = new JointHost({
        auditLog: path,
        audit: { maxBytes: 100_000, maxFiles: 100 },
      }, 2);
      using both = threads(host);
      const { workers } = both;
      await Promise.all(workers.map((worker) => worker.ask("write", LINES)));
      // Not by what a worker waits for at its end: on a machine that stands still that is not enough.
      await until("all lines", () => count() === 2 * LINES);
      await Promise.all(workers.map((worker) => worker.ask("end", undefined)));
    }
    assert.ok(files().length > 2, "it was renamed when it had grown");
    const verified = await verifyAudit(files());
    assert.deepEqual([verified.lines, verified.dropped], [2 * LINES, 0]);
    const ids = lines().map((line) => String(JSON.parse(line).id));
    for (const worker of ["1-", "2-"]) {
      const own = ids.filter((id) => id.startsWith(worker));
      assert.deepEqual(own, Array.from({ length: LINES }, (_, i) => `${worker}${i}`));
    }
  }));

Deno.test("a worker whose audit is out of reach ends all the same", () =>
  inFolder(async (folder) => {
    const path = `${folder}/audit.jsonl`;
    await using host = new JointHost({ auditLog: path }, 2);
    using worker = near(host);
    const { audit } = worker.joint;
    const record = (id: string) =>
      audit.record({ kind: "call", who: "ada", peer: "", server: "", status: "OK", id });
    record("1");
    worker.cut();
    await audit[Symbol.asyncDispose]();
    assert.equal(await Deno.readTextFile(path), "");
  }));

Deno.test("servers of two workers come in at one rate", async () => {
  await using host = new JointHost({ tunnels: { maxHandshakesPerS: 5 }, now: () => 0 }, 2);
  using both = threads(host);
  const admitted = await Promise.all(both.workers.map((worker) => worker.ask("admit", 20)));
  assert.equal(admitted[0]! + admitted[1]!, 5);
});

Deno.test("what is remembered of a server is what the worker says that had it last", () =>
  inFolder(async (folder) => {
    {
      await using host = new JointHost({ stateDir: folder }, 2);
      using one = near(host, 1);
      using other = near(host, 2);
      const [first, second] = [1, 2].map((generation) =>
        new FakeTunnel("edge-1", generation, { version: `v${generation}` })
      ) as [FakeTunnel, FakeTunnel];
      const remove = registryOf(one.joint).add(first);
      registryOf(other.joint).add(second);
      await other.untilHeard();
      // The first one's end is told last.
      remove[Symbol.dispose]();
      await one.untilHeard();
    }
    using known = KnownServers.open(folder)!;
    const [departure] = known.departures;
    assert.deepEqual([departure?.generation, departure?.info.version], [2, "v2"]);
  }));

Deno.test("names of two workers share the places that there are for names", async () => {
  await using host = new JointHost({}, 2);
  using one = near(host, 1);
  using other = near(host, 2);
  const options = { maxServers: 4 };
  const registries = [one, other].map(({ joint }) =>
    new Registry({ ...options, joint: joint.servers })
  ) as [Registry, Registry];
  const tunnels = ["a", "b", "c"].map((name, i) => {
    const tunnel = Object.assign(new FakeTunnel(name, 1), { owner: "fleet" });
    assert.equal(registries[i % 2]!.admit(tunnel.info, "fleet"), undefined);
    registries[i % 2]!.add(tunnel);
    return tunnel;
  });
  const next = new FakeTunnel("d", 1).info;
  for (const registry of registries) {
    assert.match(registry.admit(next, "fleet")!.message, /"fleet" has 3 of the 4 servers/);
    assert.equal(registry.admit(next, "lab"), undefined);
  }
  const closed = tunnels[1]!.closed;
  tunnels[1]!.close({ reason: "It left", by: "server" });
  await closed;
  assert.equal(registries[0].admit(next, "fleet"), undefined);
});

function registryOf({ servers, known }: Joint): Registry {
  const registry = new Registry({ joint: servers });
  registry.onChange((event) => known!.onChange(event, registry));
  return registry;
}

/** A worker in this thread. */
function near(host: JointHost, number = 1) {
  const { port1, port2 } = new MessageChannel();
  const channel = new ThreadChannel(port1);
  const hosts = new ThreadChannel(port2);
  host.serve(hosts);
  const joint = new Joint(host.task, number, channel);
  const cut = () => channel.close("The test has cut it");
  return {
    joint,
    cut,
    /** All that was told before has arrived. */
    untilHeard: async () => void await joint.admission.retryAfterS("nobody"),
    [Symbol.dispose]() {
      cut();
      hosts.close("The test is over");
      port1.close();
      port2.close();
    },
  };
}
