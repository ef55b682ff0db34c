import assert from "node:assert/strict";
import { deadPort } from "../../tests/support/dead_port.ts";
import { EngineError } from "./engine.ts";
import { EtcdLink } from "./etcd_link.ts";

/** What says that it is packed, and is not. */
const NO_MESSAGE = new Uint8Array([1, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]);

Deno.test("EtcdLink: an answer that cannot be read is an error of the engine", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () =>
      new Response(NO_MESSAGE, {
        headers: { "content-type": "application/grpc", "grpc-encoding": "gzip" },
      }),
  );
  const { hostname: host, port } = server.addr;
  await using link = new EtcdLink({ members: [{ host, port }] });
  await assert.rejects(
    link.call("etcdserverpb.KV/Range", {}, { repeatable: true }),
    (error) => error instanceof EngineError && error.fault === "away",
  );
});

Deno.test("EtcdLink: if no member helps, the error says of each of them why", async () => {
  await using noLeader = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () =>
      new Response(null, {
        headers: {
          "content-type": "application/grpc",
          "grpc-status": "14",
          "grpc-message": "etcdserver: no leader",
        },
      }),
  );
  const { hostname: host, port } = noLeader.addr;
  using dead = await deadPort();
  await using link = new EtcdLink({
    members: [{ host, port }, { host: "127.0.0.1", port: dead.port }],
  });
  const error = await link.call("etcdserverpb.KV/Range", {}, { repeatable: true })
    .catch((error) => error);
  assert.ok(error instanceof EngineError && error.fault === "away", String(error));
  for (const said of [`127.0.0.1:${port}: etcdserver: no leader`, `${dead.address}: `]) {
    assert.ok(error.message.includes(said), error.message);
  }
});
