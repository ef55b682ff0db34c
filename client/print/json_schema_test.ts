import assert from "node:assert/strict";
import protobuf from "protobufjs";
import { jsonSchema } from "./json_schema.ts";

Deno.test("a oneof of one field excludes nothing: an empty allOf would be no JSON Schema", () => {
  const { root } = protobuf.parse('syntax = "proto3"; message M { oneof how { string a = 1; } }');
  assert.deepEqual(jsonSchema(root.lookupType("M")), {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $ref: "#/$defs/M",
    $defs: {
      M: {
        type: "object",
        properties: { a: { type: "string" } },
        additionalProperties: false,
      },
    },
  });
});
