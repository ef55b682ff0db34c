import { Client, credentials, Metadata, status } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import http2 from "node:http2";
import assert from "node:assert/strict";
import { once } from "node:events";
import { configureLog, resetLog } from "../../shared/cli/log.ts";
import { until } from "../../tests/support/until.ts";
import { startHub } from "../hub.ts";
import { startMetrics } from "../observe/metrics.ts";

const ANYWHERE = { hostname: "127.0.0.1", port: 0 };
/** Nobody is let in, not even from this machine. */
const NOBODY = "version: 1\nallowLoopback: false\nservers: []\noperators: []\n";
const CHECK = "/grpc.health.v1.Health/Check";

/** A hub that lets nobody in, its ports, and what it has logged and audited. */
async function strict() {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/auth.yaml`, NOBODY);
  const lines: string[] = [];
  await configureLog({ level: "warning", write: (line) => lines.push(line) });
  const hub = await startHub({
    tunnelListen: ANYWHERE,
    callListen: ANYWHERE,
    authFile: `${folder}/auth.yaml`,
    auditLog: `${folder}/audit.jsonl`,
  });
  const metrics = startMetrics({ listen: ANYWHERE, isReady: () => hub.isReady });
  const call = `http://${hub.callAddress}`;
  return {
    hub,
    lines,
    call,
    tunnel: `http://${new URL(hub.tunnelAddress).host}`,
    metrics: `http://${metrics.address}`,
    audit: () => Deno.readTextFile(`${folder}/audit.jsonl`),
    async [Symbol.asyncDispose]() {
      metrics[Symbol.dispose]();
      hub.close();
      await hub.closed;
      await resetLog();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function get(url: string, method = "GET"): Promise<[status: number, text: string]> {
  const response = await fetch(url, { method });
  return [response.status, await response.text()];
}

/** One unary call with a message made by hand: `service` is field 1. */
function check(
  address: string,
  service: string,
  metadata: Record<string, string> = {},
  path = CHECK,
) {
  const client = new Client(address, credentials.createInsecure());
  const message = Buffer.concat([Buffer.from([0x0a, service.length]), Buffer.from(service)]);
  const bytes = (value: Buffer) => value;
  const sent = new Metadata();
  for (const [name, value] of Object.entries(metadata)) sent.set(name, value);
  return new Promise<{ code: number; message: string; body: number[] }>((resolve) => {
    client.makeUnaryRequest(
      path,
      bytes,
      bytes,
      service === "" ? Buffer.alloc(0) : message,
      sent,
      (error, body) => {
        client.close();
        resolve({ code: error?.code ?? 0, message: error?.details ?? "", body: [...body ?? []] });
      },
    );
  });
}

const SERVING = [8, 1];

Deno.test("D4: health needs no credential, is quiet, and tells nothing else", async (t) => {
  await using world = await strict();
  const { hub, tunnel, call, metrics } = world;
  for (const [port, url] of Object.entries({ tunnel, call, metrics })) {
    await t.step(`by HTTP/1.1 on the ${port} port`, async () => {
      assert.deepEqual(await get(`${url}/livez`), [200, "ok\n"]);
      assert.deepEqual(await get(`${url}/readyz?verbose`), [200, "ok\n"]);
      assert.deepEqual(await get(`${url}/readyz`, "HEAD"), [200, ""]);
    });
  }
  await t.step("by HTTP/2 on the call port", async () => {
    const session = http2.connect(call);
    for (const path of ["/livez", "/readyz"]) {
      const stream = session.request({ ":path": path });
      const [headers] = await once(stream, "response");
      stream.setEncoding("utf8");
      const texts: string[] = [];
      for await (const text of stream) texts.push(text);
      assert.deepEqual([headers[":status"], texts.join("")], [200, "ok\n"]);
    }
    session.close();
    await once(session, "close");
  });
  await t.step("by gRPC", async () => {
    for (const service of ["", "ghub"]) {
      assert.deepEqual(await check(hub.callAddress, service), {
        code: status.OK,
        message: "",
        body: SERVING,
      });
    }
    for (const service of ["ghub.v1.Hub", "edge-1"]) {
      const { code, message } = await check(hub.callAddress, service);
      assert.deepEqual([code, message], [status.NOT_FOUND, "Unknown service"]);
    }
    const { code } = await check(hub.callAddress, "x".repeat(100));
    assert.equal(code, status.RESOURCE_EXHAUSTED, "a message that is no service's name");
  });
  await t.step("without a line in log and audit", async () => {
    assert.deepEqual(world.lines, []);
    assert.equal(await world.audit(), "");
  });
  await t.step("and whatever else is asked needs a credential as before", async () => {
    const refused: [path: string, metadata: Record<string, string>][] = [
      [CHECK, { "x-hub-server": "edge-1" }],
      [CHECK, { authorization: "Bearer wrong-wrong-wrong-wrong-wrong-wrong" }],
      ["/grpc.health.v1.Health/Watch", {}],
      ["/ghub.v1.Hub/ListServers", {}],
    ];
    for (const [path, metadata] of refused) {
      const { code } = await check(hub.callAddress, "", metadata, path);
      assert.equal(code, status.UNAUTHENTICATED, `${path} ${JSON.stringify(metadata)}`);
    }
    assert.equal((await get(`${tunnel}/version`))[0], 426);
    assert.equal((await get(`${call}/metrics`))[0], 426);
    assert.equal((await get(`${metrics}/livez/x`))[0], 404);
  });
});

Deno.test("D4: a hub that drains is alive and not ready", async () => {
  await using world = await strict();
  const { hub, tunnel, metrics, call } = world;
  // Its message has not come: the drain waits for it.
  const session = http2.connect(call);
  // The hub's end of a drain may reset what is closed already.
  session.on("error", () => {});
  const pending = session.request({
    ":path": CHECK,
    ":method": "POST",
    "content-type": "application/grpc",
    te: "trailers",
  });
  if (session.connecting) await once(session, "connect");
  // What answers a ping has read the request that came before it.
  await new Promise<void>((resolve, reject) => {
    session.ping((error) => error === null ? resolve() : reject(error));
  });
  pending.on("error", () => {});
  const drained = hub.drain();
  assert.deepEqual(await get(`${tunnel}/livez`), [200, "ok\n"]);
  for (const url of [tunnel, metrics]) {
    assert.deepEqual(await get(`${url}/readyz`), [503, "draining\n"]);
  }
  const answered = once(pending, "data");
  pending.end(Buffer.from([0, 0, 0, 0, 0]));
  const [body] = await answered;
  assert.deepEqual([...body], [0, 0, 0, 0, 2, 8, 2], "NOT_SERVING");
  await until("the drain to end", () => session.closed || session.destroyed);
  await drained;
});
