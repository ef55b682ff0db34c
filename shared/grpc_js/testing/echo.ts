/**
 * The echo service with handlers of a test's own, and what its callers need.
 *
 * @module
 */
import { type Client, Metadata, type StatusObject, type UntypedHandleCall } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { once } from "node:events";
import type http2 from "node:http2";
import type { echo_v1_EchoRequest as Req, echo_v1_EchoResponse as Res } from "../../gen/types.ts";
import type { CallContext, Handler } from "../../grpc/handlers.ts";
import { RpcError } from "../../grpc/rpc_error.ts";
import { adapted } from "../implementation.ts";
import { serviceDefinition } from "../service_definition.ts";
import { fromServiceError } from "./from_service_error.ts";
import { type Callable, callable, type TestServer, testServer } from "./server.ts";

const none = () => assert.fail("not part of this test");

/** A server of the echo service with these handlers, and a client of it. */
export function echo(handlers: Record<string, Handler | UntypedHandleCall>): Promise<TestServer> {
  return testServer((server) =>
    server.addService(serviceDefinition("echo.v1.Echo"), {
      Unary: none,
      ServerStream: none,
      ClientStream: none,
      Bidi: none,
      ...Object.fromEntries(
        Object.entries(handlers).map(([name, handler]) => [
          name,
          typeof handler === "function" ? handler : adapted(handler),
        ]),
      ),
    })
  );
}

/** A method of Echo, as {@linkcode callable} gives it. */
export const method = (name: string): Callable => callable("echo.v1.Echo", name);

/** How a unary call went. */
interface Answered {
  readonly response: Res;
  readonly status: StatusObject | undefined;
  readonly headers?: Metadata;
}

/** One unary call to its end. */
export function callUnary(
  client: Client,
  request: Req,
  options: { deadline?: number } = {},
): Promise<Answered> {
  let trailers: StatusObject | undefined;
  let headers: Metadata | undefined;
  return new Promise(
    (resolve, reject) => {
      const call = client.makeUnaryRequest(
        ...method("Unary"),
        request,
        new Metadata(),
        options,
        (error, response) => {
          if (error) reject(fromServiceError(error));
          // The status comes after the response.
          else {
            queueMicrotask(() =>
              resolve({ response: response as Res, status: trailers, headers: headers! })
            );
          }
        },
      );
      call.on("status", (status) => trailers = status);
      call.on("metadata", (metadata) => headers = metadata);
    },
  );
}

export async function collect(responses: AsyncIterable<Res>): Promise<number[]> {
  const indexes: number[] = [];
  for await (const response of responses) indexes.push(response.index ?? 0);
  return indexes;
}

/** A promise with its resolver, and the context that a handler was given. */
export function seen(): Pick<PromiseWithResolvers<CallContext>, "resolve"> & {
  readonly context: Promise<CallContext>;
} {
  const { promise, resolve } = Promise.withResolvers<CallContext>();
  return { context: promise, resolve };
}

/** A call of ServerStream by a client that is not grpc-js. */
export const REQUEST = {
  ":method": "POST",
  ":path": "/echo.v1.Echo/ServerStream",
  "content-type": "application/grpc",
  "te": "trailers",
};

export function addressOf({ client }: TestServer): string {
  return client.getChannel().getTarget().slice("dns:".length);
}

export async function closed(session: http2.ClientHttp2Session): Promise<void> {
  const close = once(session, "close");
  session.close();
  await close;
}

/** Resolves with the signal's reason. */
export async function aborted(signal: AbortSignal): Promise<RpcError> {
  if (!signal.aborted) await once(signal, "abort");
  assert.ok(signal.reason instanceof RpcError);
  return signal.reason;
}
