import assert from "node:assert/strict";
import type {
  grpc_health_v1_HealthCheckRequest as Req,
  grpc_health_v1_HealthCheckResponse as Res,
} from "../gen/types.ts";
import { peerHost } from "../grpc_js/implementation.ts";
import { addHealth, type Health, MAX_WATCHERS } from "./health.ts";
import { responsesOf } from "../grpc_js/testing/responses.ts";
import type { RpcError } from "./rpc_error.ts";
import { fromServiceError } from "../grpc_js/testing/from_service_error.ts";
import { Status } from "./status.ts";
import { callable, type TestServer, testServer } from "../grpc_js/testing/server.ts";

async function healthy(): Promise<TestServer & { health: Health }> {
  let health: Health | undefined;
  const server = await testServer((server) => health = addHealth(peerHost(server)));
  assert.ok(health);
  return Object.assign(server, { health });
}

function check({ client }: TestServer, service: string): Promise<Res> {
  const request: Req = { service };
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(
      ...callable("grpc.health.v1.Health", "Check"),
      request,
      (error, response) => error ? reject(fromServiceError(error)) : resolve(response as Res),
    )
  );
}

function watch({ client }: TestServer, service: string) {
  const request: Req = { service };
  return responsesOf<Res>(
    client.makeServerStreamRequest(...callable("grpc.health.v1.Health", "Watch"), request),
  );
}

Deno.test("addHealth() checks the server and its services", async () => {
  await using world = await healthy();
  assert.deepEqual(await check(world, ""), { status: "SERVING" });
  await assert.rejects(check(world, "a.B"), (error: RpcError) => {
    assert.equal(error.message, 'Unknown service "a.B"');
    return error.code === Status.NOT_FOUND;
  });
  world.health.set("a.B", "NOT_SERVING");
  assert.deepEqual(await check(world, "a.B"), { status: "NOT_SERVING" });
});

Deno.test("addHealth() tells watchers each change until it is closed", async () => {
  await using world = await healthy();
  const responses = watch(world, "a.B");
  const next = async () => ((await responses.next()).value as Res).status;
  assert.equal(await next(), "SERVICE_UNKNOWN");
  world.health.set("other", "SERVING");
  world.health.set("a.B", "SERVING");
  assert.equal(await next(), "SERVING");
  world.health.set("a.B", "NOT_SERVING");
  assert.equal(await next(), "NOT_SERVING");
  world.health.set("a.B", "SERVING");
  assert.equal(await next(), "SERVING");
  world.health.close();
  assert.equal(await next(), "NOT_SERVING");
  assert.equal((await responses.next()).done, true);
  world.health.set("a.B", "SERVING");
  assert.deepEqual(await check(world, "a.B"), { status: "NOT_SERVING" });
});

Deno.test("addHealth() refuses more watchers than MAX_WATCHERS and forgets those who left", async () => {
  await using world = await healthy();
  const watches = Array.from({ length: MAX_WATCHERS }, () => watch(world, ""));
  await Promise.all(watches.map((responses) => responses.next()));
  await assert.rejects(watch(world, "").next(), { code: Status.RESOURCE_EXHAUSTED });
  await Promise.all(watches.map((responses) => responses.return(undefined)));
  for (;;) {
    const responses = watch(world, "");
    try {
      await responses.next();
      break;
    } catch (error) {
      // The server has yet to see the cancels.
      assert.equal((error as RpcError).code, Status.RESOURCE_EXHAUSTED);
    } finally {
      await responses.return(undefined);
    }
  }
});
