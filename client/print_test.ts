import assert from "node:assert/strict";
import { errorInfo, RpcError } from "../shared/grpc/rpc_error.ts";
import { Status } from "../shared/grpc/status.ts";
import { hubTest, runClient, startFakeHub } from "./fake_hub.ts";

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
