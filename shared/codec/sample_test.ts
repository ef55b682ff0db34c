import assert from "node:assert/strict";
import protobuf from "protobufjs";
import { root as ours } from "../grpc/root.ts";
import { readMessages } from "./document.ts";
import { jsonName } from "./fields.ts";
import type { Format, OutputFormat } from "./format.ts";
import { sampleMessage } from "./sample.ts";
import { All, root } from "./testdata/all.ts";

const FORMATS: readonly (readonly [output: OutputFormat, input: Format])[] = [
  ["json", "json"],
  ["prettyjson", "json"],
  ["yaml", "yaml"],
  ["xml", "xml"],
];

function* types(scope: protobuf.NamespaceBase): Generator<protobuf.Type> {
  for (const object of scope.nestedArray) {
    if (object instanceof protobuf.Type) yield object;
    if (object instanceof protobuf.Namespace) yield* types(object);
  }
}

Deno.test("sampleMessage() of every type can be read back", () => {
  for (const type of [...types(ours), ...types(root)]) {
    for (const [output, input] of FORMATS) {
      const text = sampleMessage(type, { format: output });
      const messages = readMessages(text, { type, format: input, source: type.fullName });
      assert.equal(messages.length, 1, `${type.fullName} as ${output}`);
    }
  }
});

Deno.test("sampleMessage() is the same message in every format and has all its fields", () => {
  const [json, ...others] = FORMATS.map(([output, input]) => {
    const [message] = readMessages(sampleMessage(All, { format: output }), {
      type: All,
      format: input,
      source: "sample",
    });
    return All.encode(message!).finish();
  });
  for (const other of others) assert.deepEqual(other, json);
  const named = JSON.parse(sampleMessage(All, { format: "json" }));
  const missing = All.fieldsArray.filter((field) => !Object.hasOwn(named, field.jsonName!));
  assert.deepEqual(
    missing.map((field) => field.partOf?.name),
    missing.map(() => "choice"),
    "only other members of a oneof may be left out",
  );
});

Deno.test("sampleMessage() says in comments what may stand there", () => {
  const type = ours.lookupType("fluentd.v1.RestartRequest");
  assert.equal(
    sampleMessage(type, { format: "yaml" }).split("\n").slice(0, 5).join("\n"),
    `---
# one of STOP_START, ZERO_DOWNTIME
mode: STOP_START
# bool
onlyIfRunning: false`,
  );
  assert.match(
    sampleMessage(type, { format: "xml" }),
    /^ {2}<!-- optional bool -->\n {2}<validateFirst>false<\/validateFirst>$/m,
  );
  const all = sampleMessage(All, { format: "yaml" });
  assert.match(all, /^# map of int64 to codec.test.Inner$/m);
  assert.match(all, /^# string; or instead: chosenNumber \(int32\), chosenInner/m);
});

Deno.test("sampleMessage() takes better values for fields, in every format and in their place", () => {
  const type = ours.lookupType("fluentd.v1.StartRequest");
  const values = { reason: "a new disk", wait: "30s", skipValidate: true };
  const [json, ...others] = FORMATS.map(([format, input]) => {
    const text = sampleMessage(type, { format, values });
    return readMessages(text, { type, format: input, source: "sample" })[0];
  });
  for (const other of others) assert.deepEqual(other, json);
  const made = JSON.parse(sampleMessage(type, { format: "json", values }));
  assert.deepEqual(Object.keys(made), type.fieldsArray.map(jsonName));
  assert.deepEqual({ ...made, ...values }, made);
  assert.match(
    sampleMessage(type, { format: "yaml", values }),
    /^# duration in seconds\nwait: 30s$/m,
  );
});
