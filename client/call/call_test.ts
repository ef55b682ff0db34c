import assert from "node:assert/strict";
import { root } from "../../shared/grpc/root.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { PATIENCE_MS } from "../../tests/support/until.ts";
import { calledMethod, messageTypes, type Requests, startCall } from "./call.ts";
import { CallMetadata } from "../../shared/grpc/call_metadata.ts";
import { dial } from "../connect/dial.ts";
import { startFakeHub } from "../testing/fake_hub.ts";

const ECHO = root.lookupService("echo.v1.Echo");

interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onResponse?: (count: number) => void;
}

/** A function that calls a method of a running server. */
async function withEcho(
  run: (
    call: (
      method: string,
      requests: Requests | object[],
      options?: CallOptions,
    ) => Promise<object[]>,
  ) => Promise<void>,
): Promise<void> {
  await using hub = await startFakeHub();
  await using channel = await dial({ host: "127.0.0.1", port: hub.port }, {
    timeoutMs: PATIENCE_MS,
    signal: new AbortController().signal,
  });
  await run(async (name, requests, { signal = new AbortController().signal, onResponse } = {}) => {
    const method = ECHO.methods[name]!;
    const { request, response } = messageTypes(method);
    const messages = Array.isArray(requests)
      ? requests.map((fields) => request.encode(request.fromObject(fields)).finish())
      : requests as Requests;
    const call = startCall(channel, {
      method: calledMethod(method),
      requests: messages,
      metadata: new CallMetadata(),
      timeoutMs: Infinity,
      signal,
    });
    const responses: object[] = [];
    for await (const message of call.responses) {
      responses.push(response.toObject(message, { longs: Number }));
      onResponse?.(responses.length);
    }
    assert.ok(call.trailers !== undefined);
    return responses;
  });
}

const bytes = (length: number) => new Uint8Array(length).fill(7);

Deno.test("startCall() makes all four kinds of call", async (t) => {
  await withEcho(async (call) => {
    await t.step("unary", async () => {
      const [response] = await call("Unary", [{ data: bytes(3) }]) as [{ data: Uint8Array }];
      assert.deepEqual(new Uint8Array(response.data), bytes(3));
    });
    await t.step("unary of 5 MB", async () => {
      const [response] = await call("Unary", [{ data: bytes(5_000_000) }]) as [
        { data: Uint8Array },
      ];
      assert.equal(response.data.length, 5_000_000);
    });
    await t.step("server stream", async () => {
      const responses = await call("ServerStream", [{ count: 200 }]) as { index?: number }[];
      assert.deepEqual(responses.map(({ index = 0 }) => index), [...Array(200).keys()]);
    });
    await t.step("server stream of none", async () => {
      assert.deepEqual(await call("ServerStream", [{}]), []);
    });
    await t.step("client stream", async () => {
      const requests = Array.from({ length: 200 }, () => ({ data: bytes(1000) }));
      assert.deepEqual(await call("ClientStream", requests), [{
        received: 200,
        receivedBytes: 200_000,
      }]);
    });
    await t.step("client stream of none", async () => {
      assert.deepEqual(await call("ClientStream", []), [{}]);
    });
    await t.step("bidi", async () => {
      const requests = Array.from({ length: 50 }, (_, i) => ({ data: bytes(i + 1) }));
      const responses = await call("Bidi", requests) as { data: Uint8Array }[];
      assert.deepEqual(
        responses.map(({ data }) => data.length),
        requests.map(({ data }) => data.length),
      );
    });
  });
});

Deno.test("startCall() throws the status that the call ends with", async (t) => {
  await withEcho(async (call) => {
    const isRefusal = (error: unknown) => {
      assert.ok(error instanceof RpcError);
      assert.deepEqual([error.code, error.message], [Status.FAILED_PRECONDITION, "no"]);
      return true;
    };
    const refused = { failCode: Status.FAILED_PRECONDITION, failMessage: "no" };
    for (const method of ["Unary", "ServerStream", "Bidi"]) {
      await t.step(method, () => assert.rejects(call(method, [refused]), isRefusal));
    }
    await t.step("after the responses before it", async () => {
      const { request } = messageTypes(ECHO.methods["Bidi"]!);
      let got = 0;
      let wake = () => {};
      const onResponse = (count: number) => {
        got = count;
        wake();
      };
      // Each request waits for the response to the one before.
      const requests = async function* () {
        for (const fields of [{}, {}, refused]) {
          const answered = new Promise<void>((resolve) => wake = resolve);
          yield request.encode(request.fromObject(fields)).finish();
          await answered;
        }
      };
      await assert.rejects(call("Bidi", requests(), { onResponse }), isRefusal);
      assert.equal(got, 2);
    });
  });
});

Deno.test("startCall() ends with the signal, also while it waits for requests", async () => {
  await withEcho(async (call) => {
    const controller = new AbortController();
    const never: AsyncIterable<Uint8Array> = {
      async *[Symbol.asyncIterator]() {
        yield new Uint8Array();
        await new Promise(() => {});
      },
    };
    const reason = new Error("enough");
    const onResponse = () => controller.abort(reason);
    await assert.rejects(call("Bidi", never, { signal: controller.signal, onResponse }), reason);
    await assert.rejects(call("Unary", [{}], { signal: controller.signal }), reason);
  });
});

Deno.test("startCall() cancels when the requests break", async () => {
  await withEcho(async (call) => {
    // deno-lint-ignore require-yield -- it breaks first
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      throw new SyntaxError("bad line");
    };
    await assert.rejects(call("ClientStream", broken()), SyntaxError);
  });
});
