import assert from "node:assert/strict";
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
