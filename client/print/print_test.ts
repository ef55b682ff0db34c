import assert from "node:assert/strict";
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { hubTest, runClient, startFakeHub } from "../testing/fake_hub.ts";

hubTest("responses come in each form", async (hub, t) => {
  hub.script.start = { status: "NOCHANGE", elapsed: { seconds: 1, nanos: 500_000_000 } };
  const table: [args: string[], out: RegExp][] = [
    [[], /^{"status":"NOCHANGE","elapsed":"1\.500s"}\n$/],
    [["-o", "prettyjson"], /^{\n {2}"status": "NOCHANGE",\n {2}"elapsed": "1\.500s"\n}\n$/],
    [["-o", "yaml"], /^---\nstatus: NOCHANGE\nelapsed: 1\.500s\n$/],
    [
      ["-o", "xml"],
      /^<\?xml.*\?>\n<StartResponse>\s*<status>NOCHANGE<\/status>\s*<elapsed>1\.500s</,
    ],
    [["-o", "table"], /^status {2}NOCHANGE\ntook {4}1\.5s\n$/],
    [["-q"], /^$/],
  ];
  for (const [args, out] of table) {
    await t.step(args.join(" ") || "json by default", async () => {
      const ran = await runClient(["fluentd", "start", "-n", "-s", hub.address, ...args]);
      assert.match(ran.out, out);
    });
  }
});

hubTest("--envelope holds all of a call, in each form", async (hub, t) => {
  const run = (...args: string[]) =>
    runClient(["fluentd", "start", "edge-1", "-n", "--envelope", "-s", hub.address, ...args]);
  await t.step("success", async () => {
    const { durationMs, headers, ...envelope } = JSON.parse((await run()).out);
    assert.ok(durationMs > 0);
    assert.equal(headers["x-fake"], "yes");
    assert.deepEqual(envelope.response, { status: "SUCCESS" });
    assert.deepEqual(envelope.server, "edge-1");
    assert.deepEqual(envelope.trailers["x-hub-hop"], "server");
    assert.deepEqual(envelope.status, { code: 0 });
  });
  await t.step("failure", async () => {
    hub.script.fail = () => ({
      error: new RpcError(Status.ABORTED, "no", { details: [errorInfo("R", "d")] }),
    });
    const { code, out, err } = await run();
    assert.equal(code, 74);
    assert.match(err, /ABORTED: no/);
    const { status, response } = JSON.parse(out);
    assert.deepEqual([status.code, status.message, status.details[0].reason], [10, "no", "R"]);
    assert.equal(response, undefined);
  });
  await t.step(
    "xml",
    async () => assert.match((await run("-o", "xml")).out, /<Envelope>[^]*<key>x-fake</),
  );
  await t.step("table", async () => assert.equal((await run("-o", "table")).code, 2));
});

Deno.test("-p prints a request without calling anybody, and gclient takes it back", async (t) => {
  await using hub = await startFakeHub();
  for (const format of ["json", "yaml", "xml"]) {
    await t.step(format, async () => {
      const sample = await runClient([
        "fluentd",
        "start",
        "-p",
        "--request-format",
        format,
        "-s",
        "nowhere:1",
      ]);
      assert.deepEqual([sample.code, sample.err], [0, ""]);
      assert.equal(sample.out, (await runClient(["fluentd", "start", "-p", "-o", format])).out);
      const ran = await runClient(["fluentd", "start", "-d", sample.out, "-s", hub.address]);
      assert.deepEqual([ran.code, ran.err], [0, ""]);
    });
  }
});

hubTest(
  "C4: an answer with a value that has no ProtoJSON is printed whole, and the call's exit code stands",
  async (hub, t) => {
    hub.script.start = {
      status: "FAILED",
      failure: { reason: "NOT_READY" },
      elapsed: { seconds: 1, nanos: -500_000_000 },
    };
    const table: [format: string, out: RegExp][] = [
      ["json", /^{"status":"FAILED",.*"elapsed":{"seconds":"1","nanos":-500000000}}\n$/],
      ["yaml", /^---\nstatus: FAILED\n[^]*elapsed:\n {2}seconds: "1"\n {2}nanos: -500000000\n$/],
      ["xml", /<elapsed>\s*<seconds>1<\/seconds>\s*<nanos>-500000000<\/nanos>\s*<\/elapsed>/],
      ["table", /^status {2}FAILED\n/],
    ];
    for (const [format, out] of table) {
      await t.step(format, async () => {
        const args = ["fluentd", "start", "-n", "-s", hub.address, "-o", format];
        const ran = await runClient(args);
        assert.match(ran.out, out);
        assert.equal(ran.code, 3);
        const warning = /^warning: \/StartResponse\/elapsed: .*Duration.*: shown as it was sent$/m;
        if (format !== "table") assert.match(ran.err, warning);
        assert.match(ran.err, /^error: fluentd\.start: FAILED: NOT_READY\n/);
      });
    }
    await t.step("within an envelope", async () => {
      const ran = await runClient(["fluentd", "start", "-n", "-s", hub.address, "--envelope"]);
      assert.deepEqual(JSON.parse(ran.out).response.elapsed, { seconds: "1", nanos: -500000000 });
      assert.match(ran.err, /^warning: \/Envelope\/response\/elapsed: /m);
    });
    await t.step("with -q nothing is said", async () => {
      const ran = await runClient(["fluentd", "start", "-n", "-s", hub.address, "-q"]);
      assert.doesNotMatch(ran.err, /warning/);
    });
  },
);
