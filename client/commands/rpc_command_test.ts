import assert from "node:assert/strict";
import { retryInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import {
  FROM_HUB,
  hubTest,
  LOST,
  runClient,
  type SeenCall,
  startFakeHub,
} from "../testing/fake_hub.ts";

const idOf = ({ request }: SeenCall) => (request as { requestId?: string }).requestId || undefined;

hubTest("--retry repeats what was not delivered and nothing else", async (hub, t) => {
  const soon = { details: [retryInfo(1)] };
  const table: [
    name: string,
    command: string,
    error: RpcError,
    trailers: Record<string, string>,
    calls: number,
  ][] = [
    ["not delivered", "restart", new RpcError(Status.UNAVAILABLE, "away", soon), FROM_HUB, 3],
    ["perhaps, by its id", "restart", new RpcError(Status.UNAVAILABLE, "lost", soon), LOST, 3],
    [
      "perhaps, but changes nothing",
      "status",
      new RpcError(Status.UNAVAILABLE, "lost", soon),
      LOST,
      3,
    ],
    ["refused", "restart", new RpcError(Status.NOT_FOUND, "no", soon), FROM_HUB, 1],
  ];
  for (const [name, command, error, trailers, calls] of table) {
    await t.step(name, async () => {
      hub.calls.length = 0;
      hub.script.fail = () => ({ error, trailers });
      const ran = await runClient(["fluentd", command, "-n", "-s", hub.address, "--retry", "2"]);
      assert.equal(ran.code, 64 + error.code);
      assert.equal(hub.calls.length, calls);
      assert.ok(new Set(hub.calls.map(idOf)).size === 1);
    });
  }
  await t.step("perhaps delivered, and nobody knows what an id means there", async () => {
    hub.calls.length = 0;
    hub.script.fail = () => ({
      error: new RpcError(Status.UNAVAILABLE, "lost", soon),
      trailers: LOST,
    });
    const args = ["-n", "-s", hub.address, "--retry", "2"];
    const ran = await runClient(["call", "fluentd.v1.Fluentd/Restart", ...args]);
    assert.equal(ran.code, 64 + Status.UNAVAILABLE);
    assert.deepEqual(hub.calls.map(idOf), [undefined]);
    assert.match(ran.err, /The outcome is unknown: it may have been carried out\n/);
  });
  await t.step("an id is told, and the one that was given is kept", async () => {
    hub.calls.length = 0;
    const args = ["-n", "-s", hub.address, "--retry", "1", "--set", "requestId=mine"];
    const ran = await runClient(["fluentd", "restart", ...args]);
    assert.deepEqual(hub.calls.map(idOf), ["mine", "mine"]);
    assert.match(
      ran.err,
      /it may have been carried out\. With --set requestId=mine it is done once/,
    );
  });
  await t.step("without --retry there is no id", async () => {
    hub.calls.length = 0;
    await runClient(["fluentd", "restart", "-n", "-s", hub.address]);
    assert.deepEqual(hub.calls.map(idOf), [undefined]);
  });
  await t.step("until it works", async () => {
    let tries = 0;
    hub.script.fail = () =>
      tries++ < 2
        ? { error: new RpcError(Status.UNAVAILABLE, "away", soon), trailers: FROM_HUB }
        : undefined;
    const ran = await runClient(["fluentd", "start", "-n", "-s", hub.address, "--retry", "5"]);
    assert.equal(ran.code, 0);
    assert.equal(ran.err.match(/warning: away; trying again in 1 ms/g)?.length, 2);
  });
});

hubTest("the token comes from file or environment and is never shown", async (hub, t) => {
  const directory = await Deno.makeTempDir();
  try {
    const file = `${directory}/token`;
    await Deno.writeTextFile(file, "s3cret-file\n", { mode: 0o600 });
    const run = (args: string[], env = {}) =>
      runClient(["fluentd", "status", "-n", "-v", "-s", hub.address, ...args], { env });
    await t.step("file over environment", async () => {
      const ran = await run(["--token-file", file], { GCLIENT_TOKEN: "s3cret-env" });
      assert.equal(hub.calls.at(-1)?.metadata["authorization"], "Bearer s3cret-file");
      assert.match(ran.err, /authorization: \(not shown\)/);
      assert.doesNotMatch(ran.err, /s3cret/);
    });
    await t.step("environment", async () => {
      await run([], { GCLIENT_TOKEN: "s3cret-env" });
      assert.equal(hub.calls.at(-1)?.metadata["authorization"], "Bearer s3cret-env");
    });
    await t.step("loose permissions", async () => {
      await Deno.chmod(file, 0o640);
      const ran = await run(["--token-file", file]);
      assert.equal(ran.code, 2);
      assert.match(ran.err, /can be read or written by others\nhint: chmod 600/);
    });
    await t.step("command line", async () => {
      const ran = await run(["-H", "authorization=Bearer s3cret-argv"]);
      assert.equal(ran.code, 2);
      assert.doesNotMatch(ran.err, /s3cret/);
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

hubTest("-H and --wait-for-server become metadata", async (hub) => {
  await runClient([
    ...["fluentd", "status", "-n", "-s", hub.address, "--wait-for-server", "1m"],
    ...["-H", "x-a=1", "-H", "x-b-bin=AAEC"],
  ]);
  const { metadata } = hub.calls[0]!;
  assert.equal(metadata["x-a"], "1");
  assert.deepEqual(new Uint8Array(metadata["x-b-bin"] as Uint8Array), new Uint8Array([0, 1, 2]));
  assert.equal(metadata["x-hub-wait"], "60000ms");
});

Deno.test("completion knows the names of the hub's servers", async () => {
  await using hub = await startFakeHub();
  hub.script.servers = { servers: [{ name: "edge-1" }, { name: "core-1" }] };
  const { out } = await runClient(["__complete", "fluentd", "start", "-s", hub.address, "e"]);
  assert.equal(out, "edge-1\n");
});

Deno.test("wrong usage ends with exit code 2", async (t) => {
  const table: [args: string, err: RegExp][] = [
    ["auth whoami a", /Too many arguments/],
    ["fluentd start a*b\u00e9", /is not a server's name/],
    ["fluentd start -d {} -f x.json", /Both -d and -f/],
    ['fluentd start -d {"waits":1}', /waits[^]*hint: A sample: -p/],
    ["fluentd start -d {}{}", /-d holds 2 requests, Start takes one\nhint: Leave one of them/],
    ["fluentd start -f /nowhere.json", /Cannot read request file/],
    ["fluentd start -n -s localhost", /The port is missing: write localhost:9090/],
    ["fluentd start -n --timeout 5", /write 5s or 5ms/],
    // Its mode is loose too, but "chmod 600 /" would be bad advice.
    [
      "fluentd start -n --token-file /",
      /^error: Token file "\/" is a directory\nhint: Name the file in it/,
    ],
    ["fluentd start -n --raw --wait-for-server 1s", /cannot be combined/],
    ["fluentd start -n --set waits=1s", /StartRequest has no field "waits"[^]*wait, minHealthy/],
    ["fluentd start -n --set wait=soon", /wait.*[Dd]uration/],
    ["fluentd start -n --tls-key-file x", /needs --tls-cert-file\nhint: Add --tls-cert-file FILE/],
    ["fluentd start -n --tls-ca-cert-file /nowhere", /Cannot read --tls-ca-cert-file/],
    ["fluentd start -d {} -d {}", /^error: -d is given twice\n/],
    ["fluentd start -d {} --data {}", /^error: -d is given twice\n/],
    ["-d {} fluentd start -d {}", /^error: -d is given twice\n/],
    ["fluentd start -f a --request-file b", /^error: -f is given twice\n/],
    ["fluentd start -n --retry many", /not a number/],
    ["fluentd start -n -H nonsense", /is not a header/],
    ["hub servers -n -l env=a=b", /a comma is missing at column 6/],
    ["hub activity --history 1001", /0 to 1000/],
  ];
  for (const [args, err] of table) {
    await t.step(args, async () => {
      const ran = await runClient(args.split(" "));
      assert.match(ran.err, err);
      assert.deepEqual([ran.code, ran.out], [2, ""]);
    });
  }
});
