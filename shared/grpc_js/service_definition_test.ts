import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { serviceDefinition } from "./service_definition.ts";

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
