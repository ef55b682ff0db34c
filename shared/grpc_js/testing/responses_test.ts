import assert from "node:assert/strict";
import type { echo_v1_EchoRequest as Req, echo_v1_EchoResponse as Res } from "../../gen/types.ts";
import { serverStream } from "../../grpc/handlers.ts";
import { responsesOf } from "./responses.ts";
import { errorInfo, RpcError } from "../../grpc/rpc_error.ts";
import { Status } from "../../grpc/status.ts";
import { aborted, echo, method, seen } from "./echo.ts";

Deno.test("responsesOf() throws the status with its details", async () => {
  const detail = errorInfo("R", "d");
  await using world = await echo({
    ServerStream: serverStream<Req, Res>(() => {
      throw new RpcError(Status.DATA_LOSS, "no more", { details: [detail] });
    }),
  });
  const call = world.client.makeServerStreamRequest(...method("ServerStream"), {});
  await assert.rejects(responsesOf<Res>(call).next(), (error: RpcError) => {
    assert.deepEqual(error.details, [detail]);
    return error.code === Status.DATA_LOSS;
  });
});

Deno.test("responsesOf() cancels the call when the loop is left", async () => {
  const handler = seen();
  await using world = await echo({
    ServerStream: serverStream<Req, Res>(async function* (_, context) {
      handler.resolve(context);
      yield { index: 1 };
      await aborted(context.signal);
    }),
  });
  const call = world.client.makeServerStreamRequest(...method("ServerStream"), {});
  for await (const { index } of responsesOf<Res>(call)) {
    assert.equal(index, 1);
    break;
  }
  assert.equal((await aborted((await handler.context).signal)).code, Status.CANCELLED);
});

Deno.test("responsesOf() returns the status with its trailers", async () => {
  await using world = await echo({
    ServerStream: serverStream<Req, Res>(async function* (_, context) {
      context.trailers.add("x-last", "2");
      yield await Promise.resolve({});
    }),
  });
  const call = world.client.makeServerStreamRequest(...method("ServerStream"), {});
  const responses = responsesOf<Res>(call);
  assert.equal((await responses.next()).done, false);
  const { done, value } = await responses.next();
  assert.ok(done && value !== undefined);
  assert.deepEqual(value.metadata.get("x-last"), ["2"]);
});
