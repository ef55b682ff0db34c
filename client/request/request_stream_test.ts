import assert from "node:assert/strict";
import { root } from "../../shared/grpc/root.ts";
import { UsageError } from "../../shared/cli/program.ts";
import { openRequests } from "./request.ts";
import type { RequestValues } from "./request_options.ts";
import type { StdinKind } from "./stdin.ts";

const { ClientStream, Unary } = root.lookupService("echo.v1.Echo").methods;

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

interface Opened {
  readonly values?: Partial<RequestValues>;
  readonly kind?: StdinKind;
  readonly method?: typeof Unary;
}

/** Requests that come in these pieces, and what a person who types is told. */
function open(pieces: AsyncIterable<string> | Iterable<string>, opened: Opened = {}) {
  const { values = {}, kind = "data", method = ClientStream! } = opened;
  let told = "";
  async function* chunks() {
    for await (const piece of pieces) yield new TextEncoder().encode(piece);
  }
  const stream = openRequests(method, { ...NONE, ...values }, {
    stdin: { kind: () => kind, chunks, read: () => Promise.reject(new Error("Not all at once")) },
    stderr: {
      isTerminal: true,
      color: false,
      write: (text) => Promise.resolve(void (told += text)),
    },
    prepare: () => {},
  });
  return { stream, told: () => told };
}

const indexes = (messages: readonly object[]) =>
  messages.map((message) => new TextDecoder().decode((message as { data: Uint8Array }).data));

Deno.test("requests are there as soon as they are complete, in each format", async (t) => {
  const table: [name: string, pieces: [string, string, string], first: string][] = [
    ["NDJSON", ['{"data":"YQ', '=="}\n', '{"data":"Yg=="}\n'], "a"],
    ["JSON without newlines", ['{"data":"YQ', '=="}', '{"data":"Yg=="}'], "a"],
    ["YAML", ["---\ndata: YQ==\n", "---\n", "data: Yg==\n"], "a"],
    ["XML", ["<M><data>YQ==</", "data></M>", "<M><data>Yg==</data></M>"], "a"],
  ];
  for (const [name, [first, second, third], expected] of table) {
    await t.step(name, async () => {
      const more = Promise.withResolvers<void>();
      const message = (text: string) => text.replaceAll("M>", `${ClientStream!.requestType}>`);
      const { stream } = open(async function* () {
        yield message(first);
        yield message(second);
        // Not before the first one was taken.
        await more.promise;
        yield message(third);
      }());
      const requests = stream![Symbol.asyncIterator]();
      const { value } = await requests.next();
      assert.deepEqual(indexes([value!]), [expected]);
      more.resolve();
      assert.deepEqual(indexes([(await requests.next()).value!]), ["b"]);
      assert.equal((await requests.next()).done, true);
    });
  }
});

Deno.test("a request that is none ends the stream, and says which one and how many were sent", async (t) => {
  const table: [name: string, text: string, error: RegExp, sent: number][] = [
    [
      "the first",
      '{"data":1}\n',
      /^Request 1 cannot be sent, so the call was cancelled after 0 requests: stdin:1:9: .*data/,
      0,
    ],
    [
      "one in the middle",
      '{"data":"YQ=="}\n\n{"data":"Yg=="} {"date":1}\n{"data":"YQ=="}',
      /^Request 3 cannot be sent, .* after 2 requests: stdin:3:18: .*date/,
      2,
    ],
    ["the last, cut off", '{}\n{"data":', /^Request 2 .* after 1 request: stdin:2:\d+: /, 1],
    ["no UTF-8", "{}\n\ud800", /Request 2 cannot be sent/, 1],
  ];
  for (const [name, text, error, sent] of table) {
    await t.step(name, async () => {
      const taken: object[] = [];
      await assert.rejects(async () => {
        for await (const request of open([text]).stream!) taken.push(request);
      }, (thrown) => {
        assert.ok(thrown instanceof UsageError);
        assert.match(thrown.message, error);
        return true;
      });
      assert.equal(taken.length, sent);
    });
  }
});

Deno.test("what a person types is sent by the line, and a bad line is told and left out", async () => {
  const typed = [
    "data: YQ==\n",
    "\n",
    '{"data":\n',
    '{"data":"Yg=="}\n',
    "dat: x\n",
    "data: YQ==\n",
  ];
  const { stream, told } = open(typed, { kind: "terminal" });
  assert.ok(stream!.isTyped);
  assert.deepEqual(indexes(await Array.fromAsync(stream!)), ["a", "b", "a"]);
  assert.match(
    told(),
    /^Type one request a line.*\nerror: This line was not sent: input:3:\d+: .*\nerror: This .*: input:5:1: .*\n$/,
  );
});

Deno.test("what a person types without an Enter at its end is sent, too", async () => {
  const { stream, told } = open(["data: YQ==\n", "data: ", "Yg=="], { kind: "terminal" });
  assert.deepEqual(indexes(await Array.fromAsync(stream!)), ["a", "b"]);
  assert.match(told(), /^Type one request a line.*\n$/);
});

Deno.test("--set and --request-format hold for each request of a stream", async () => {
  const values = { set: ["data=Yw=="], requestFormat: "json" as const };
  assert.deepEqual(indexes(await Array.fromAsync(open(["{}{}"], { values }).stream!)), ["c", "c"]);
});

Deno.test("only a stream's requests from standard input come by and by", () => {
  const table: [opened: Opened, expected: boolean][] = [
    [{}, true],
    [{ kind: "terminal" }, true],
    [{ kind: "none" }, false],
    [{ method: Unary! }, false],
    [{ method: Unary!, kind: "terminal" }, false],
    [{ values: { noInput: true } }, false],
    [{ values: { data: "{}" } }, false],
    [{ values: { data: "-" } }, false],
    [{ values: { data: "@-" } }, true],
    [{ values: { requestFile: "-" } }, true],
    [{ values: { requestFile: "/dev/stdin" } }, true],
    [{ values: { requestFile: "req.json" } }, false],
  ];
  for (const [opened, expected] of table) {
    assert.equal(open([], opened).stream !== undefined, expected, JSON.stringify(opened.values));
  }
});
