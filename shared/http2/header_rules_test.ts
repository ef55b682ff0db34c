import assert from "node:assert/strict";
import type { Field } from "./header_list.ts";
import { contentLength, requestProblem, responseProblem, trailersProblem } from "./header_rules.ts";

const M: Field = [":method", "POST"];
const S: Field = [":scheme", "http"];
const P: Field = [":path", "/"];
const OK: Field = [":status", "200"];

type Row = readonly [fields: readonly Field[], problem: string | undefined];

function table(check: (fields: readonly Field[]) => string | undefined, rows: readonly Row[]) {
  return async (t: Deno.TestContext) => {
    for (const [fields, problem] of rows) {
      await t.step(`${JSON.stringify(fields)}: ${problem ?? "fine"}`, () => {
        assert.equal(check(fields), problem);
      });
    }
  };
}

Deno.test(
  "requestProblem()",
  table(requestProblem, [
    [[M, S, P], undefined],
    [[P, S, M, [":authority", ""], ["a", "b"], ["a", "b"]], undefined],
    [[[":method", "CONNECT"], [":authority", "a:1"]], undefined],
    [[], 'Pseudo-header field ":method" is missing'],
    [[S, P], 'Pseudo-header field ":method" is missing'],
    [[M, P], 'Pseudo-header field ":scheme" is missing'],
    [[M, S], 'Pseudo-header field ":path" is missing'],
    [[M, S, [":path", ""]], 'Pseudo-header field ":path" is missing'],
    [[M, M, S, P], 'Pseudo-header field ":method" is given twice'],
    [[M, S, P, P], 'Pseudo-header field ":path" is given twice'],
    [[M, S, P, OK], 'Pseudo-header field ":status" is unknown'],
    [[M, S, P, [":", ""]], 'Pseudo-header field ":" is unknown'],
    [[M, S, ["a", "b"], P], 'Pseudo-header field ":path" comes after a regular one'],
    ...["hub", "hub.example:9090", "[::1]:443", "a%20b", "", "a_b~!$&'()*+,;="].map((
      value,
    ): Row => [
      [M, S, P, [":authority", value]],
      undefined,
    ]),
    ...["root@hub", "@", "a b", "a/b", "a?b", "a#b", "a\\b", "a\tb", "h\xfcb"].map((value): Row => [
      [M, S, P, [":authority", value]],
      `Authority "${value}" is not valid`,
    ]),
    ...["/a/b", "/", "//", "/a?b", "/%00", "/\xc3\xb6"].map((value): Row => [
      [M, S, [":path", value]],
      undefined,
    ]),
    ...["a", "*", "http://hub/a", " /a", "/a b", "/a\t", "/a\0", "/a\x7f", "\\a"].map((
      value,
    ): Row => [
      [M, S, [":path", value]],
      `Path "${value}" is not valid`,
    ]),
    [[[":method", "OPTIONS"], S, [":path", "*"]], undefined],
    ...["", "1http", "ht tp", "http:"].map((value): Row => [
      [M, [":scheme", value], P],
      `Scheme "${value}" is not valid`,
    ]),
    [[M, S, P, ["host", "hub:9090"]], undefined],
    [[M, S, P, ["host", ""]], 'Host "" is not valid'],
    [[M, S, P, ["host", "a@b"]], 'Host "a@b" is not valid'],
    [[M, S, P, ["host", "a"], ["host", "a"]], 'Field "host" is given twice'],
    [[M, S, P, ["te", "trailers"]], undefined],
    [[M, S, P, ["te", "gzip"]], 'Field "te" may only say "trailers"'],
  ]),
);

Deno.test(
  "responseProblem()",
  table(responseProblem, [
    [[OK], undefined],
    [[[":status", "503"], ["a", ""]], undefined],
    [[], 'Pseudo-header field ":status" is not the first field'],
    [[["a", "b"], OK], 'Pseudo-header field ":status" is not the first field'],
    [[OK, OK], 'Pseudo-header field ":status" is out of place'],
    [[OK, M], 'Pseudo-header field ":method" is out of place'],
    [[[":status", "600"]], 'Status "600" is not valid'],
    [[[":status", "099"]], 'Status "099" is not valid'],
    [[[":status", "200 "]], 'Status "200 " is not valid'],
    [[[":status", ""]], 'Status "" is not valid'],
  ]),
);

Deno.test(
  "trailersProblem()",
  table(trailersProblem, [
    [[], undefined],
    [[["grpc-status", "0"], ["grpc-message", "\xff\x80 é"], ["x-bin", "AA=="]], undefined],
    [[["x", "tab\there"]], undefined],
    [[OK], 'Pseudo-header field ":status" is out of place'],
    [[["", "b"]], "Field name is empty"],
    [[["A", "b"]], 'Field name "A" has a forbidden character'],
    [[["a b", "c"]], 'Field name "a b" has a forbidden character'],
    [[["a:", "c"]], 'Field name "a:" has a forbidden character'],
    [[["é", "c"]], 'Field name "é" has a forbidden character'],
    [[["a\0", "c"]], 'Field name "a\0" has a forbidden character'],
    [[["a", "b\r\nc: d"]], 'Value of "a" has a forbidden character'],
    [[["a", "b\0"]], 'Value of "a" has a forbidden character'],
    ...["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"].map((
      name,
    ): Row => [[[name, "x"]], `Field "${name}" belongs to HTTP/1.1`]),
  ]),
);

Deno.test("contentLength()", async (t) => {
  const rows: readonly [values: string[], number | undefined][] = [
    [[], -1],
    [["0"], 0],
    [["17"], 17],
    [["17", "17"], undefined],
    [["17", "18"], undefined],
    [["-1"], undefined],
    [["1.0"], undefined],
    [["0x10"], undefined],
    [["1e3"], undefined],
    [[""], undefined],
    [[" 1"], undefined],
    [["1,1"], undefined],
    [["9".repeat(15)], 999_999_999_999_999],
    [["9".repeat(16)], undefined],
  ];
  for (const [values, expected] of rows) {
    await t.step(JSON.stringify(values), () => {
      assert.equal(contentLength(values.map((value) => ["content-length", value])), expected);
    });
  }
});
