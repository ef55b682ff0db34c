import assert from "node:assert/strict";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { type FakeHub, FROM_HUB, hubTest, runClient } from "../testing/fake_hub.ts";

const STATUS = ["fluentd", "status"];

/** Answers are lines of JSON. */
function lines(out: string): { server: string; status: { code: number }; response?: object }[] {
  return out.trimEnd().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

function serversOf(hub: FakeHub): unknown[] {
  return hub.calls.filter(({ method }) => method !== "ListServers")
    .map(({ metadata }) => metadata["x-hub-server"]);
}

function isAway(names: readonly string[]): FakeHub["script"]["fail"] {
  return (server) =>
    names.includes(server)
      ? {
        error: new RpcError(Status.UNAVAILABLE, `Server "${server}" is away`),
        trailers: FROM_HUB,
      }
      : undefined;
}

hubTest("several servers are called on one connection, with an envelope a line", async (hub) => {
  hub.script.fail = isAway(["b"]);
  const { code, out, err } = await runClient([...STATUS, "a", "b", "c", "-n", "-s", hub.address]);
  assert.equal(code, 4);
  assert.equal(hub.connections(), 1);
  const answers = lines(out);
  assert.deepEqual(answers.map(({ server }) => server).sort(), ["a", "b", "c"]);
  for (const { server, status, response } of answers) {
    assert.equal(status.code, server === "b" ? Status.UNAVAILABLE : 0);
    assert.equal(response !== undefined, server !== "b");
  }
  assert.match(err, /^\[a\] ok \(\d+ ms\)$/m);
  assert.match(err, /^\[b\] error: fluentd\.status on b: UNAVAILABLE: Server "b" is away$/m);
  assert.match(err, /^\[b\] {3}The call was not delivered: nothing was done$/m);
  assert.match(err, /^fluentd\.status: 2 of 3 servers ok; 1 failed: b$/m);
});

hubTest("the exit code tells whether some failed, all, or none was meant", async (hub, t) => {
  const table: [args: string[], away: string[], code: number][] = [
    [["a", "b"], [], 0],
    [["a", "b"], ["a"], 4],
    [["a", "b"], ["a", "b"], 5],
    [["a", "--exclude", "a"], [], 7],
    [["--all"], [], 7],
    [["a", "b", "--all"], [], 2],
    [["a", ""], [], 2],
    [["a", "b", "-o", "table"], [], 2],
  ];
  for (const [args, away, code] of table) {
    await t.step(`${args.join(" ")} without ${away.join(" ")}`, async () => {
      hub.script.fail = isAway(away);
      assert.equal((await runClient([...STATUS, ...args, "-n", "-s", hub.address])).code, code);
    });
  }
});

hubTest("an outcome that is no success counts as a failure", async (hub) => {
  hub.script.stop = { status: "FAILED", failure: { reason: "NO", message: "it lives" } };
  const ran = await runClient([
    ...["fluentd", "stop", "a", "b", "--yes", "-n", "-s", hub.address],
  ]);
  assert.equal(ran.code, 5);
  assert.match(ran.err, /^\[a\] error: FAILED: NO: it lives$/m);
});

hubTest("--all means those that are away too, and --exclude leaves out", async (hub) => {
  hub.script.servers = {
    servers: [
      { name: "a", state: "ONLINE" },
      { name: "b", state: "OFFLINE" },
      { name: "c", state: "ONLINE" },
    ],
  };
  const args = ["--all", "--exclude", "c", "--exclude", "x", "-n", "-s", hub.address];
  const { code, err } = await runClient([...STATUS, ...args]);
  assert.equal(code, 0);
  assert.deepEqual(serversOf(hub).sort(), ["a", "b"]);
  assert.match(err, /^warning: --exclude x: it is not meant anyway$/m);
  assert.partialDeepStrictEqual(hub.calls[0]?.request, { includeOffline: true });
});

hubTest("-l means what it selects, away or not, and no variable does", async (hub) => {
  hub.script.servers = { servers: [{ name: "a", labels: { env: "x" } }, { name: "b" }] };
  const args = [...STATUS, "-l", "env=x", "-n", "-s", hub.address];
  const { code, out } = await runClient(args);
  assert.equal(code, 0);
  // One server, and yet an envelope: the form does not depend on how many there are.
  assert.deepEqual(lines(out).map(({ server }) => server), ["a"]);
  assert.partialDeepStrictEqual(hub.calls[0]?.request, { selector: "env=x", includeOffline: true });
  const env = { GCLIENT_SELECTOR: "env=x" };
  hub.calls.length = 0;
  assert.equal((await runClient([...STATUS, "-n", "-s", hub.address], { env })).code, 0);
  assert.deepEqual(serversOf(hub), [undefined]);
  assert.equal((await runClient([...args, "a"])).code, 2);
  assert.equal((await runClient([...STATUS, "-l", "a in x", "-s", hub.address])).code, 2);
});

hubTest("--from-file takes a name a line", async (hub) => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "a\n# none\n  b # why\n\na\n");
    const listed = await runClient([
      ...[...STATUS, "--from-file", file, "--list-targets", "-s", hub.address],
    ]);
    assert.deepEqual(listed, { code: 0, out: "a\nb\n", err: "", all: "a\nb\n" });
    await Deno.writeTextFile(file, "a\nB!\n");
    const bad = await runClient([...STATUS, "--from-file", file, "-s", hub.address]);
    assert.equal(bad.code, 2);
    assert.ok(bad.err.includes(`${file}:2: "B!" is not a server's name`), bad.err);
    assert.equal(hub.connections(), 0);
  } finally {
    await Deno.remove(file);
  }
});

hubTest("--dry-run prints each request, and calls nobody", async (hub) => {
  const { code, out } = await runClient([
    ...["fluentd", "stop", "a", "b", "--dry-run", "--set", "wait=60s", "-n", "-s", hub.address],
  ]);
  assert.equal(code, 0);
  assert.deepEqual(
    out.trimEnd().split("\n").map((line) => JSON.parse(line)),
    ["a", "b"].map((server) => ({
      server,
      method: "fluentd.v1.Fluentd/Stop",
      request: { wait: "60s" },
    })),
  );
  assert.deepEqual(hub.calls, []);
});

hubTest("a change of several servers must be confirmed", async (hub, t) => {
  const change = ["fluentd", "restart", "a", "b", "-s", hub.address];
  await t.step("where nobody can be asked, --yes says it", async () => {
    const { code, err, out } = await runClient([...change, "-n"]);
    assert.deepEqual([code, out], [6, ""]);
    assert.equal(
      err,
      "error: fluentd.restart would change 2 servers, and there is nobody to ask\n" +
        "hint: Add --yes if that is meant; --list-targets shows them\n",
    );
    assert.deepEqual(hub.calls, []);
    assert.equal((await runClient([...change, "-n", "--yes"])).code, 0);
    assert.equal(hub.calls.splice(0).length, 2);
  });
  await t.step("a person is asked", async () => {
    const asked: string[] = [];
    const by = (text: string | undefined) => (question: string) => {
      asked.push(question);
      return text;
    };
    const request = ["-d", "{}"];
    for (const no of ["", "n", "ja", undefined]) {
      const { code } = await runClient([...change, ...request], { answer: by(no) });
      assert.equal(code, 6);
    }
    assert.deepEqual(hub.calls, []);
    assert.equal((await runClient([...change, ...request], { answer: by("yes") })).code, 0);
    assert.equal(asked.at(-1), "fluentd.restart on 2 servers (a, b): go on? [y/N] ");
    assert.equal(hub.calls.splice(0).length, 2);
  });
  await t.step("reading needs no confirmation", async () => {
    const { code } = await runClient([...STATUS, "a", "b", "-n", "-s", hub.address]);
    assert.equal(code, 0);
  });
});

hubTest("a question about health needs no confirmation", async (hub) => {
  const call = ["call", "grpc.health.v1.Health/Check", "a", "b", "-n", "-s", hub.address];
  const { code, err } = await runClient(call);
  // This hub has no health: both were asked, and nobody had to confirm that.
  assert.equal(code, 5);
  assert.doesNotMatch(err, /--yes/);
});

hubTest("to stop one server asks a person, and nobody else", async (hub) => {
  const stop = ["fluentd", "stop", "a", "-s", hub.address];
  const asked: string[] = [];
  const answer = (question: string) => {
    asked.push(question);
    return "n";
  };
  assert.equal((await runClient([...stop, "-d", "{}"], { answer })).code, 6);
  assert.deepEqual(asked, ["fluentd.stop on a: go on? [y/N] "]);
  assert.deepEqual(hub.calls, []);
  assert.equal((await runClient([...stop, "-n"])).code, 0);
  assert.equal((await runClient([...stop, "-d", "{}", "-y"], { answer })).code, 0);
  const start = ["fluentd", "start", "a", "-d", "{}", "-s", hub.address];
  assert.equal((await runClient(start, { answer })).code, 0);
  assert.equal(asked.length, 1);
});

hubTest("--canary: the others are called when the first went well", async (hub, t) => {
  const restart = ["fluentd", "restart", "a", "b", "c", "--yes", "-n", "--canary", "1"];
  await t.step("it failed", async () => {
    hub.script.fail = isAway(["a"]);
    const { code, err } = await runClient([...restart, "-s", hub.address]);
    assert.equal(code, 5);
    assert.deepEqual(serversOf(hub), ["a"]);
    assert.match(err, /^fluentd\.restart: 0 of 3 servers ok; 1 failed: a; 2 not tried: b, c$/m);
  });
  await t.step("it went well", async () => {
    hub.script.fail = isAway(["b"]);
    hub.calls.length = 0;
    assert.equal((await runClient([...restart, "-s", hub.address])).code, 4);
    assert.deepEqual(serversOf(hub).sort(), ["a", "b", "c"]);
  });
});

hubTest("--max-failures: nothing is started after more have failed", async (hub) => {
  hub.script.fail = isAway(["a", "b", "c", "d"]);
  const args = ["a", "b", "c", "d", "--parallel", "1", "--max-failures", "25%", "-n"];
  const { code, err } = await runClient([...STATUS, ...args, "-s", hub.address]);
  assert.equal(code, 5);
  assert.deepEqual(serversOf(hub), ["a", "b"]);
  assert.match(err, /2 failed: a, b; 2 not tried: c, d$/m);
});

hubTest("--ordered prints in the order of the servers", async (hub) => {
  const last = Promise.withResolvers<void>();
  hub.script.before = (_signal, server) => {
    if (server === "c") last.resolve();
    return server === "a" ? last.promise : Promise.resolve();
  };
  const { out, err } = await runClient([
    ...[...STATUS, "a", "b", "c", "--ordered", "-n", "-s", hub.address],
  ]);
  assert.deepEqual(lines(out).map(({ server }) => server), ["a", "b", "c"]);
  assert.deepEqual(err.match(/^\[\w\]/gm), ["[a]", "[b]", "[c]"]);
});

hubTest("--per-target-timeout ends one that does not answer, --timeout all", async (hub) => {
  hub.script.before = (signal, server) =>
    server === "b"
      ? new Promise((resolve) => signal.addEventListener("abort", () => resolve()))
      : Promise.resolve();
  const args = ["a", "b", "c", "-n", "-s", hub.address];
  const one = await runClient([...STATUS, ...args, "--per-target-timeout", "300ms"]);
  assert.equal(one.code, 4);
  assert.match(one.err, /^\[b\] error: fluentd\.status on b: DEADLINE_EXCEEDED/m);
  const within = (ms: number) =>
    runClient([...STATUS, ...args, "--timeout", `${ms}ms`, "--parallel", "1"]);
  // On a busy machine the time may be over before the first one has answered: then it has more.
  let all = await within(300);
  for (let ms = 1_500; ms < 60_000 && /0 of 3 servers ok/.test(all.err); ms *= 5) {
    all = await within(ms);
  }
  assert.equal(all.code, 4);
  assert.match(all.err, /1 of 3 servers ok; 1 failed: b; 1 not tried: c$/m);
});

hubTest("--log-dir keeps each server's output, and who went well", async (hub) => {
  const dir = await Deno.makeTempDir();
  try {
    hub.script.fail = isAway(["b/x"]);
    const args = ["a", "b/x", "c", "--log-dir", `${dir}/new`, "-n", "-s", hub.address];
    const { out } = await runClient([...STATUS, ...args]);
    const read = (name: string) => Deno.readTextFileSync(`${dir}/new/${name}`);
    assert.equal(read("hosts.succeeded"), "a\nc\n");
    assert.equal(read("hosts.failed"), "b/x\n");
    assert.ok(out.includes(read("a.stdout")) && read("a.stdout") !== "");
    assert.match(read("b%2Fx.stderr"), /^error: fluentd\.status on b\/x: UNAVAILABLE/);
    assert.equal(Deno.statSync(`${dir}/new/a.stdout`).mode! & 0o777, 0o600);
    const again = ["--from-file", `${dir}/new/hosts.failed`, "--list-targets", "-s", hub.address];
    assert.equal((await runClient([...STATUS, ...again])).out, "b/x\n");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

hubTest("a hub that is not there is one failure", async (hub) => {
  await hub[Symbol.asyncDispose]();
  const { code, err } = await runClient([...STATUS, "a", "b", "-n", "-s", hub.address]);
  assert.equal(code, 78);
  assert.equal(err.match(/error:/g)?.length, 1);
});

hubTest("call asks for the schema once for all servers of a version", async (hub) => {
  const names = ["a", "b", "c"];
  hub.script.servers = {
    servers: names.map((name) => ({ name, state: "ONLINE", version: "1.2.3" })),
  };
  const call = ["call", "echo.v1.Echo/Unary", ...names, "-d", '{"data":"aGk="}', "--yes"];
  const { code, out } = await runClient([...call, "-s", hub.address]);
  assert.equal(code, 0);
  assert.deepEqual(lines(out).map(({ response }) => response), names.map(() => ({ data: "aGk=" })));
  assert.deepEqual(hub.reflected(), ["a"]);
  assert.equal(hub.connections(), 1);
});

hubTest("Ctrl-C tells of each change under way what is known", async (hub) => {
  const ended = new AbortController();
  let begun = 0;
  hub.script.before = (signal) => {
    if (++begun === 2) ended.abort(new Error("Got SIGINT"));
    return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
  };
  const args = ["a", "b", "c", "--parallel", "2", "--yes", "-n", "-s", hub.address];
  const { err } = await runClient(["fluentd", "restart", ...args], { signal: ended.signal });
  for (const name of ["a", "b"]) {
    assert.match(
      err,
      new RegExp(`^\\[${name}\\] error: fluentd.restart on ${name}: CANCELLED`, "m"),
    );
  }
  assert.match(err, /^\[a\] {3}The outcome is unknown: it may have been carried out$/m);
  assert.match(err, /2 failed: a, b; 1 not tried: c$/m);
});
