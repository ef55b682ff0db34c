/**
 * A small Echo for tests: enough to see calls begin, wait and end.
 *
 * @module
 */
import type {
  echo_v1_EchoRequest as Req,
  echo_v1_EchoResponse as Res,
} from "../../shared/gen/types.ts";
import { bidi, clientStream, serverStream, unary } from "../../shared/grpc/handlers.ts";
import { type Service, toService } from "../serving/services.ts";

/** Echo, and a gate that calls with `hang` wait at. */
export function testEcho(): Service & { readonly waiting: Promise<void>; release(): void } {
  const waiting = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const service = toService("echo.v1.Echo", {
    implementation: {
      Unary: unary<Req, Res>(async ({ data, hang }, { signal }) => {
        if (hang) {
          waiting.resolve();
          signal.addEventListener("abort", () => gate.resolve(), { once: true });
          await gate.promise;
        }
        return { ...(data !== undefined && { data }) };
      }),
      ServerStream: serverStream<Req, Res>(async function* ({ count = 0, size = 0 }) {
        for (let index = 0; index < count; index++) yield { data: new Uint8Array(size), index };
      }),
      ClientStream: clientStream<Req, Res>(async (requests) => {
        let receivedBytes = 0;
        for await (const { data } of requests) receivedBytes += data?.length ?? 0;
        return { receivedBytes };
      }),
      Bidi: bidi<Req, Res>(async function* (requests) {
        for await (const { data } of requests) yield { ...(data !== undefined && { data }) };
      }),
    },
  });
  return { ...service, waiting: waiting.promise, release: () => gate.resolve() };
}
