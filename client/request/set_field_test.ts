import assert from "node:assert/strict";
import protobuf from "protobufjs";
import { rootJson } from "../../shared/gen/root.ts";
import { UsageError } from "../../shared/cli/program.ts";
import { writeMessage } from "../../shared/codec/document.ts";
import { setFields } from "./set_field.ts";

/** A message with a field of each kind that matters here. */
const root = protobuf.parse(
  `syntax = "proto3";
  import "google/protobuf/duration.proto";
  message Inner { string text = 1; int64 big = 2; Inner inner = 3; }
  message All {
    enum Mode { OFF = 0; FAST = 1; }
    string text = 1;
    int64 big_number = 2;
    double real = 3;
    bool flag = 4;
    Mode mode = 5;
    Inner inner = 6;
    repeated string list = 7;
    map<string, string> labels = 8;
    map<string, int32> counts = 9;
    google.protobuf.Duration wait = 10;
    oneof choice { string one = 11; int32 two = 12; }
    bytes data = 13;
    repeated Inner lines = 14;
  }`,
  protobuf.Root.fromJSON(rootJson),
  { keepCase: true },
).root.resolveAll();
const type = root.lookupType("All");

function set(before: object, ...assignments: string[]): unknown {
  const message = setFields(type.fromObject(before), { type, assignments });
  return JSON.parse(writeMessage(message, { type, format: "json" }));
}

Deno.test("setFields() sets one field of each kind", async (t) => {
  const table: [before: object, assignment: string, after: object][] = [
    [{}, "text=a=b", { text: "a=b" }],
    [{}, "text=123", { text: "123" }],
    [{}, "text=", {}],
    [{ text: "old" }, "text=new", { text: "new" }],
    [{}, "bigNumber=9223372036854775807", { bigNumber: "9223372036854775807" }],
    [{}, "big_number=7", { bigNumber: "7" }],
    [{ bigNumber: 1 }, "big_number=7", { bigNumber: "7" }],
    [{}, "real=1.5", { real: 1.5 }],
    [{}, "flag=true", { flag: true }],
    [{ flag: true }, "flag=false", {}],
    [{}, "mode=FAST", { mode: "FAST" }],
    [{}, "mode=1", { mode: "FAST" }],
    [{}, "wait=1.5s", { wait: "1.500s" }],
    [{}, "data=AAEC", { data: "AAEC" }],
    [{}, "inner.inner.text=deep", { inner: { inner: { text: "deep" } } }],
    [{ inner: { text: "kept" } }, "inner.big=1", { inner: { text: "kept", big: "1" } }],
    [{}, 'inner={"text":"json"}', { inner: { text: "json" } }],
    [{}, 'list=["a","b"]', { list: ["a", "b"] }],
    [{}, "list[0]=a", { list: ["a"] }],
    [{ list: ["a", "b"] }, "list[1]=c", { list: ["a", "c"] }],
    [{ list: ["a", "b"] }, "list[2]=c", { list: ["a", "b", "c"] }],
    [{}, "lines[0].text=x", { lines: [{ text: "x" }] }],
    [{}, "lines[0].inner.text=x", { lines: [{ inner: { text: "x" } }] }],
    [{ lines: [{ big: 1 }] }, "lines[0].text=x", { lines: [{ text: "x", big: "1" }] }],
    [{}, 'lines[0]={"text":"x"}', { lines: [{ text: "x" }] }],
    [{}, "labels.a[0]=x", { labels: { "a[0]": "x" } }],
    [{}, "labels.[0]=x", { labels: { "[0]": "x" } }],
    [{ labels: { a: "1" } }, "labels.b.c=2", { labels: { a: "1", "b.c": "2" } }],
    [{}, "counts.a=3", { counts: { a: 3 } }],
    [{ one: "x" }, "two=2", { two: 2 }],
  ];
  for (const [before, assignment, after] of table) {
    await t.step(assignment, () => assert.deepEqual(set(before, assignment), after));
  }
  await t.step(
    "several",
    () => assert.deepEqual(set({}, "text=a", "flag=true"), { text: "a", flag: true }),
  );
  await t.step(
    "several items",
    () =>
      assert.deepEqual(set({}, "lines[0].text=a", "lines[1].text=b", "lines[0].big=1"), {
        lines: [{ text: "a", big: "1" }, { text: "b" }],
      }),
  );
});

Deno.test("setFields() refuses what is no field or no value", async (t) => {
  const table: [assignment: string, error: RegExp][] = [
    ["text", /Cannot use --set text/],
    ["=1", /Cannot use --set =1/],
    ["nothing=1", /All has no field "nothing"/],
    ["inner.nothing=1", /Inner has no field "nothing"/],
    ["text.more=1", /"text" has no fields of its own/],
    ["list.0=a", /"list" is a list/],
    ["list[1]=a", /the list has 0 items/],
    ["text[0]=a", /"text" is not a list/],
    ["list[0].x=a", /"list" has no fields of its own/],
    ["list[x]=a", /has no field "list\[x\]"/],
    ["list=a", /must be JSON such as \["a","b"\]/],
    ["flag=maybe", /must be true or false$/],
    ["bigNumber=many", /bigNumber/],
    ["mode=SLOW", /mode/],
    ["wait=soon", /wait/],
    ["__proto__.x=1", /has no field "__proto__"/],
  ];
  for (const [assignment, error] of table) {
    await t.step(assignment, () => {
      assert.throws(() => set({}, assignment), (thrown) => {
        assert.ok(thrown instanceof UsageError, String(thrown));
        assert.match(thrown.message, error);
        return true;
      });
    });
  }
});
