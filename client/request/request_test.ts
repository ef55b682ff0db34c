import assert from "node:assert/strict";
import protobuf from "protobufjs";
import { root } from "../../shared/grpc/root.ts";
import { UsageError } from "../../shared/cli/program.ts";
import { readRequests } from "./request.ts";
import type { RequestValues } from "./request_options.ts";
import { readAll, type Stdin, type StdinKind } from "./stdin.ts";

const START = root.lookupService("fluentd.v1.Fluentd").methods["Start"]!;
const STATUS = root.lookupService("fluentd.v1.Fluentd").methods["GetStatus"]!;
const STREAM = root.lookupService("echo.v1.Echo").methods["ClientStream"]!;

const NONE: RequestValues = {
  data: undefined,
  requestFile: undefined,
  requestFormat: undefined,
  set: [],
  allowUnknownFields: false,
  noInput: false,
  schema: false,
  printSampleRequest: false,
};

interface Case {
  readonly values?: Partial<RequestValues>;
  readonly stdin?: string | Uint8Array;
  /** @default "data" with stdin, else "none" */
  readonly kind?: StdinKind;
  readonly method?: typeof START;
}

/** The requests, and whether standard input was read. */
async function read({ values = {}, stdin, kind, method = START }: Case) {
  let asked = false;
  const fake: Stdin = {
    kind: () => kind ?? (stdin === undefined ? "none" : "data"),
    chunks: () => new ReadableStream(),
    read: () => {
      asked = true;
      const bytes = typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin;
      return Promise.resolve(bytes ?? new Uint8Array());
    },
  };
  const { signal } = new AbortController();
  const options = { stdin: fake, signal, stdinTimeoutMs: 1000 };
  const messages = await readRequests(method, { ...NONE, ...values }, options);
  return {
    reasons: messages.map((message) => (message as { reason?: string }).reason ?? ""),
    asked,
  };
}

Deno.test("readRequests() takes the first source that is there", async (t) => {
  const directory = await Deno.makeTempDir();
  try {
    const json = `${directory}/a.json`;
    const yaml = `${directory}/a.yml`;
    const plain = `${directory}/request`;
    await Deno.writeTextFile(json, '{"reason":"json file"}');
    await Deno.writeTextFile(yaml, "reason: yaml file");
    await Deno.writeTextFile(plain, "<StartRequest><reason>xml file</reason></StartRequest>");
    const stdin = '{"reason":"stdin"}';
    const table: [name: string, input: Case, reason: string, asked: boolean][] = [
      ["nothing", {}, "", false],
      ["stdin", { stdin }, "stdin", true],
      ["stdin with blanks alone, to ask", { stdin: " \n", method: STATUS }, "", true],
      ["a terminal", { stdin, kind: "terminal" }, "", false],
      ["another device", { stdin, kind: "none" }, "", false],
      ["-n", { stdin, values: { noInput: true } }, "", false],
      ["-d", { stdin, values: { data: '{"reason":"d"}' } }, "d", false],
      ["-d in YAML", { values: { data: "reason: d" } }, "d", false],
      ["-d empty, to ask", { stdin, values: { data: "" }, method: STATUS }, "", false],
      ["-d @file", { stdin, values: { data: `@${yaml}` } }, "yaml file", false],
      ["-d @-", { stdin, values: { data: "@-" } }, "stdin", true],
      ["-f", { stdin, values: { requestFile: json } }, "json file", false],
      ["-f sniffed", { values: { requestFile: plain } }, "xml file", false],
      ["-f -", { stdin, values: { requestFile: "-" } }, "stdin", true],
      [
        "-f - on a terminal",
        { stdin, kind: "terminal", values: { requestFile: "-" } },
        "stdin",
        true,
      ],
      ["-f /dev/stdin", { stdin, values: { requestFile: "/dev/stdin" } }, "stdin", true],
      ["-d @/dev/stdin", { stdin, values: { data: "@/dev/stdin" } }, "stdin", true],
      ["--set on top", { stdin, values: { set: ["reason=set"] } }, "set", true],
      ["--set alone", { values: { set: ["reason=set"] } }, "set", false],
      [
        "--allow-unknown-fields",
        { stdin: '{"x":1}', values: { allowUnknownFields: true } },
        "",
        true,
      ],
    ];
    for (const [name, input, reason, asked] of table) {
      await t.step(name, async () => {
        assert.deepEqual(await read(input), { reasons: [reason], asked });
      });
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("readRequests() gives a stream all of its messages", async (t) => {
  const table: [name: string, stdin: string | undefined, count: number][] = [
    ["none", undefined, 0],
    ["lines", "{}\n{}\n{}\n", 3],
    ["a list", "[{},{}]", 2],
    ["YAML documents", "---\ncount: 1\n---\ncount: 2\n", 2],
  ];
  for (const [name, stdin, count] of table) {
    await t.step(name, async () => {
      const input = stdin === undefined ? {} : { stdin };
      assert.equal((await read({ ...input, method: STREAM })).reasons.length, count);
    });
  }
});

Deno.test("F10: an empty request to what changes something is refused, unless -n or -d '{}' says so", async (t) => {
  const refused: [name: string, input: Case, error: RegExp][] = [
    ["an empty pipe", { stdin: "" }, /^stdin holds no request$/],
    ["an empty pipe with --set", { stdin: "", values: { set: ["reason=a"] } }, /no request$/],
    ["blanks alone", { stdin: " \n\n" }, /^stdin holds no request$/],
    ["[]", { stdin: "[]" }, /^stdin holds no request$/],
    ["null", { stdin: "null" }, /^stdin:1:1: Expected a message, found nothing/],
    ["[null]", { stdin: "[null]" }, /^stdin:1:2: .*found null$/],
    ["a comment", { stdin: "# nothing" }, /^stdin holds no request$/],
    ["---", { stdin: "---\n" }, /^stdin:1:\d: Expected a message, found nothing/],
    ["an XML comment", { stdin: "<!-- nothing -->" }, /^stdin holds no request$/],
    ["-d of an empty variable", { values: { data: "" } }, /^-d holds no request$/],
    ["-f -", { stdin: "", values: { requestFile: "-" } }, /^stdin holds no request$/],
  ];
  for (const [name, input, error] of refused) {
    await t.step(name, () => assert.rejects(read(input), { name: "UsageError", message: error }));
  }
  const taken: [name: string, input: Case][] = [
    ["-n", { stdin: "", values: { noInput: true } }],
    ["-d '{}'", { stdin: "", values: { data: "{}" } }],
    ["{} on the pipe", { stdin: "{}" }],
    ["an empty element", { stdin: "<StartRequest/>" }],
    ["/dev/null", { kind: "none" }],
    ["a terminal", { kind: "terminal" }],
    ["an empty pipe, to ask", { stdin: "", method: STATUS }],
    ["null, to ask", { stdin: "null", method: STATUS }],
  ];
  for (const [name, input] of taken) {
    await t.step(name, async () => assert.deepEqual((await read(input)).reasons, [""]));
  }
});

Deno.test("readRequests() refuses what it cannot take", async (t) => {
  const table: [name: string, input: Case, error: RegExp][] = [
    ["two sources", { values: { data: "{}", requestFile: "a" } }, /Both -d and -f/],
    ["two requests", { stdin: "{}{}" }, /stdin holds 2 requests, Start takes one/],
    [
      "no file",
      { values: { requestFile: "/nowhere.json" } },
      /Cannot read request file "\/nowhere.json"/,
    ],
    ["a directory", { values: { requestFile: "/" } }, /is a directory/],
    ["no name", { values: { data: "@" } }, /name of a file is missing/],
    ["-n and -", { values: { noInput: true, requestFile: "-" } }, /leaves standard input alone/],
    ["an unknown field", { stdin: '{"x":1}' }, /stdin:1:2: .*x/],
    ["the wrong format", { stdin: "{}", values: { requestFormat: "xml" } }, /stdin/],
    ["no text", { stdin: new Uint8Array([0xff, 0xfe]) }, /stdin:1: Expected UTF-8 text/],
  ];
  for (const [name, input, error] of table) {
    await t.step(name, async () => {
      await assert.rejects(read(input), (thrown) => {
        assert.ok(thrown instanceof UsageError, String(thrown));
        assert.match(thrown.message, error);
        return true;
      });
    });
  }
});

Deno.test("readAll() does not wait for ever", async (t) => {
  const open = () => new ReadableStream<Uint8Array>({ start: (c) => c.enqueue(new Uint8Array(3)) });
  await t.step("its time", async () => {
    const { signal } = new AbortController();
    await assert.rejects(readAll(open(), { signal, timeoutMs: 1 }), { hint: /-n/ });
  });
  await t.step("its signal", async () => {
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    await assert.rejects(readAll(open(), { signal, timeoutMs: 60_000 }), reason);
  });
});

Deno.test("C5: a required field of proto2 that is missing is a usage error", async (t) => {
  const { root } = protobuf.parse(`
    syntax = "proto2";
    package shop;
    message Line { required string sku = 1; optional int32 count = 2; }
    message Order { required string id = 1; repeated Line lines = 2; map<string, Line> more = 3; }
    service Shop { rpc Buy(Order) returns (Order); }
  `);
  root.resolveAll();
  const method = root.lookupService("shop.Shop").methods["Buy"]!;
  const table: [request: string, missing: string][] = [
    ["{}", "/Order/id"],
    ['{"lines":[]}', "/Order/id"],
    ['{"id":"1","lines":[{"sku":"a"},{"count":1}]}', "/Order/lines[1]/sku"],
    ['{"id":"1","more":{"x":{}}}', '/Order/more["x"]/sku'],
  ];
  for (const [data, missing] of table) {
    await t.step(data, () =>
      assert.rejects(read({ method, values: { data } }), {
        name: "UsageError",
        message: `${missing} is missing: it is a required field`,
      }));
  }
  for (const values of [{ data: '{"id":""}' }, { noInput: true, set: ["id=1"] }]) {
    await t.step(JSON.stringify(values), async () => {
      assert.equal((await read({ method, values })).reasons.length, 1);
    });
  }
});
