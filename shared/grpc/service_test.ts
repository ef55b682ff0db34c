import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { root } from "./root.ts";
import { decodeMessage, encodeMessage, methodPath, serviceDefinition } from "./service.ts";

Deno.test("serviceDefinition() has path, kind and codec of each method", () => {
  const definition = serviceDefinition("echo.v1.Echo");
  assert.deepEqual(
    Object.entries(definition).map((
      [name, { path, requestStream, responseStream }],
    ) => [name, path, requestStream, responseStream]),
    [
      ["Unary", "/echo.v1.Echo/Unary", false, false],
      ["ServerStream", "/echo.v1.Echo/ServerStream", false, true],
      ["ClientStream", "/echo.v1.Echo/ClientStream", true, false],
      ["Bidi", "/echo.v1.Echo/Bidi", true, true],
    ],
  );
  const { Unary } = definition;
  assert.ok(Unary);
  const request = { data: new Uint8Array([1]), count: 2 };
  assert.deepEqual({ ...Unary.requestDeserialize(Unary.requestSerialize(request)) }, {
    data: Buffer.from([1]),
    count: 2,
  });
});

Deno.test("decodeMessage() gives plain objects", () => {
  const type = root.lookupType("fluentd.v1.StopResponse");
  const value = { status: "FAILED", remainingBufferBytes: 5_000_000_000, elapsed: { seconds: 3 } };
  assert.deepEqual(decodeMessage(type, encodeMessage(type, value)), value);
  assert.deepEqual(decodeMessage(type, new Uint8Array()), {});
  const server = root.lookupType("ghub.v1.Server");
  assert.deepEqual(decodeMessage(server, new Uint8Array()), { labels: {} });
});

Deno.test("methodPath() is the path on the wire", () => {
  const method = root.lookupService("fluentd.v1.Fluentd").methods["Start"];
  assert.ok(method);
  assert.equal(methodPath(method), "/fluentd.v1.Fluentd/Start");
});
