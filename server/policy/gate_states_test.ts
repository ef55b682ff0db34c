import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Flag, FrameType, PREFACE } from "../../shared/http2/frames.ts";
import type { HeaderList } from "../../shared/http2/header_list.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import {
  BAD,
  Bench,
  bytesOf,
  call,
  data,
  fieldsOf,
  framesOf,
  GOOD,
  head,
  OPENING,
  SETTINGS,
} from "./testing/gate.ts";

/** A stream's id in each of the tests below; 1 and 3 are used before, as they are in life. */
const ID = 5;

const END = Flag.END_HEADERS | Flag.END_STREAM;

function ofUpstream(bench: Bench, type: number, flags: number): void {
  bench.gate.fromUpstream({ type, flags, streamId: ID });
}

/** How a stream gets into each state. */
const INTO: Readonly<Record<string, (bench: Bench) => void>> = {
  "idle": () => {},
  "open": (bench) => bench.pass(call(ID, GOOD)),
  "half-closed local": (bench) => bench.pass(call(ID, GOOD, END)),
  "half-closed remote": (bench) => {
    bench.pass(call(ID, GOOD));
    ofUpstream(bench, FrameType.HEADERS, Flag.END_STREAM);
  },
  "refused": (bench) => bench.pass(call(ID, BAD)),
  "refused, and ended by the hub": (bench) => bench.pass(call(ID, BAD, END)),
  "reset by the upstream": (bench) => {
    bench.pass(call(ID, GOOD));
    ofUpstream(bench, FrameType.RST_STREAM, 0);
  },
  "ended by the policy": (bench) => {
    bench.pass(call(ID, GOOD));
    bench.allowed = false;
    for (const kept of [...bench.kept]) kept.end(kept.recheck()!);
    bench.allowed = true;
  },
  "reset by the hub": (bench) => {
    bench.pass(call(ID, GOOD));
    bench.pass(bytesOf({ ...EMPTY, type: FrameType.RST_STREAM, payload: NUMBER }));
  },
  "closed": (bench) => {
    bench.pass(call(ID, GOOD, END));
    ofUpstream(bench, FrameType.DATA, Flag.END_STREAM);
  },
  "skipped": (bench) => bench.pass(call(ID + 2, GOOD, END)),
};

const NUMBER = Buffer.from([0, 0, 0, 8]);
const EMPTY = { flags: 0, id: ID, payload: Buffer.alloc(0) };
const TRAILERS = encodeHeaderList([["x-trailer", "1"], ["x-hub-operator", "forged"]]);
const OTHER = encodeHeaderList(head("/a.B/No", "mallory"));

/** A frame of each type, on a stream or, by `id` 0, on the connection. */
const FRAMES: Readonly<Record<string, (id: number) => Buffer>> = {
  "DATA": (id) => data(id, "x"),
  "DATA, the last": (id) => data(id, "x", Flag.END_STREAM),
  "DATA, padded": (id) =>
    bytesOf({ type: FrameType.DATA, flags: Flag.PADDED, id, payload: Buffer.from([1, 120, 0]) }),
  "HEADERS of a forbidden call": (id) => call(id, OTHER),
  "HEADERS as trailers": (id) => call(id, TRAILERS, END),
  "PRIORITY": (id) => bytesOf({ ...EMPTY, type: FrameType.PRIORITY, id, payload: Buffer.alloc(5) }),
  "RST_STREAM": (id) => bytesOf({ ...EMPTY, type: FrameType.RST_STREAM, id, payload: NUMBER }),
  "SETTINGS": (id) => bytesOf({ ...EMPTY, type: FrameType.SETTINGS, id }),
  "PUSH_PROMISE": (id) =>
    bytesOf({ ...EMPTY, type: FrameType.PUSH_PROMISE, id, payload: Buffer.alloc(4) }),
  "PING": (id) => bytesOf({ ...EMPTY, type: FrameType.PING, id, payload: Buffer.alloc(8) }),
  "GOAWAY": (id) => bytesOf({ ...EMPTY, type: FrameType.GOAWAY, id, payload: Buffer.alloc(8) }),
  "WINDOW_UPDATE": (id) =>
    bytesOf({ ...EMPTY, type: FrameType.WINDOW_UPDATE, id, payload: NUMBER }),
  "CONTINUATION": (id) => bytesOf({ ...EMPTY, type: FrameType.CONTINUATION, flags: 4, id }),
  "a type that nobody knows": (id) => bytesOf({ ...EMPTY, type: 0xfa, id }),
};

/**
 * What must come of it. F forward, A answer (refuse the call), D drop, C close. The sections are those
 * of RFC 9113.
 */
// deno-fmt-ignore -- a table
const EXPECTED: Readonly<Record<string, string>> = {
  //                                                 connection
  //                                                 | idle
  //                                                 | | open
  //                                                 | | | half-closed local
  //                                                 | | | | half-closed remote
  //                                                 | | | | | refused
  //                                                 | | | | | | refused, and ended by the hub
  //                                                 | | | | | | | reset by the upstream
  //                                                 | | | | | | | | ended by the policy
  //                                                 | | | | | | | | | reset by the hub
  //                                                 | | | | | | | | | | closed
  //                                                 | | | | | | | | | | | skipped
  /* §6.1, §5.1 */ "DATA":                        "C C F C F D D D D D D D",
  /* §6.1, §5.1 */ "DATA, the last":              "C C F C F D D D D D D D",
  /* §6.1 */       "DATA, padded":                "C C F C F D D D D D D D",
  /* §8.1, §8.3 */ "HEADERS of a forbidden call": "C A C C C C C C C C C C",
  /* §8.1, §5.1.1 */ "HEADERS as trailers":       "C C F C F D C D D C C C",
  /* §6.3 */       "PRIORITY":                    "C D D D D D D D D D D D",
  /* §6.4 */       "RST_STREAM":                  "C C F F F D D D D D D D",
  /* §6.5 */       "SETTINGS":                    "F C C C C C C C C C C C",
  /* §6.6, §8.4 */ "PUSH_PROMISE":                "C C C C C C C C C C C C",
  /* §6.7 */       "PING":                        "F C C C C C C C C C C C",
  /* §6.8 */       "GOAWAY":                      "F C C C C C C C C C C C",
  /* §6.9, §5.1 */ "WINDOW_UPDATE":               "F C F F F D D D D D D D",
  /* §6.10 */      "CONTINUATION":                "C C C C C C C C C C C C",
  /* §5.5 */       "a type that nobody knows":    "D D D D D D D D D D D D",
};

/** What the gate did with these bytes. */
function playedOn(bench: Bench, bytes: Buffer): string {
  const answersBefore = bench.toHub.length;
  const out = bench.pass(bytes);
  if (bench.broken !== "") {
    assert.equal(out.length, 0, "nothing passes with what closes");
    return "C";
  }
  const answered = bench.toHub.slice(answersBefore).flatMap(framesOf)
    .some(({ type }) => type === FrameType.HEADERS);
  if (answered) {
    assert.equal(out.length, 0, "what is answered does not pass");
    return "A";
  }
  return out.length > 0 ? "F" : "D";
}

Deno.test("B1: each frame in each state is forwarded, answered, dropped or closes, as its row says", async (t) => {
  assert.deepEqual(Object.keys(EXPECTED), Object.keys(FRAMES));
  const places = ["connection", ...Object.keys(INTO)];
  for (const [what, frameOn] of Object.entries(FRAMES)) {
    await t.step(what, () => {
      const got = places.map((place) => {
        const bench = new Bench();
        bench.pass(OPENING, call(1, GOOD, END), call(3, BAD, END));
        INTO[place]?.(bench);
        assert.equal(bench.broken, "");
        return playedOn(bench, frameOn(place === "connection" ? 0 : ID));
      });
      const expected = EXPECTED[what]!.split(" ");
      const named = (row: string[]) => Object.fromEntries(row.map((one, i) => [places[i], one]));
      assert.deepEqual(named(got), named(expected));
    });
  }
});

Deno.test("B1: whatever a hub sends, the upstream sees only streams that were judged and allowed", () => {
  // The paths of a state machine, not only its edges: all sequences of three frames.
  const frames = Object.values(FRAMES).map((frameOn) => frameOn(ID));
  frames.push(call(ID, GOOD), call(ID, BAD), call(ID + 2, BAD), call(ID, GOOD.subarray(0, 9), 0));
  for (const first of frames) {
    for (const second of frames) {
      for (const third of frames) {
        const bench = new Bench();
        const out = bench.pass(OPENING, first, second, third);
        const opened = new Set<number>([0]);
        for (const frame of framesOf(out.subarray(PREFACE.length))) {
          const isCall = frame.type === FrameType.HEADERS && !opened.has(frame.id);
          if (isCall) {
            const fields = new Map(fieldsOf(frame) as HeaderList as [string, string][]);
            assert.deepEqual(
              [fields.get(":path"), fields.get("x-hub-operator")],
              ["/a.B/Ok", "alice"],
            );
            opened.add(frame.id);
          }
          assert.ok(opened.has(frame.id), `type ${frame.type} passed on stream ${frame.id}`);
        }
      }
    }
  }
});

Deno.test("B1: nothing that is not HTTP/2 reaches an upstream, not even its first byte", async (t) => {
  const table: [what: string, bytes: Buffer, says: RegExp][] = [
    ["HTTP/1.0", Buffer.from("GET /reload HTTP/1.0\r\n\r\n"), /preface/],
    ["HTTP/1.1", Buffer.from("POST /a HTTP/1.1\r\nhost: a\r\n\r\n"), /preface/],
    ["a word like it", Buffer.from("PRI * HTTP/1.0\r\n\r\nSM\r\n\r\n"), /preface/],
    ["TLS", Buffer.from([22, 3, 1, 0, 5]), /preface/],
    ["no SETTINGS", Buffer.concat([PREFACE, call(1, GOOD)]), /SETTINGS/],
    [
      "an answer to SETTINGS first",
      Buffer.concat([PREFACE, bytesOf({ ...EMPTY, type: FrameType.SETTINGS, flags: 1, id: 0 })]),
      /SETTINGS/,
    ],
  ];
  for (const [what, bytes, says] of table) {
    await t.step(what, () => {
      for (let cut = 0; cut <= bytes.length; cut++) {
        const bench = new Bench();
        const out = bench.pass(bytes.subarray(0, cut), bytes.subarray(cut), OPENING, call(1, GOOD));
        assert.match(bench.broken, says);
        assert.ok(out.length === 0 || out.equals(Buffer.from(PREFACE)));
      }
    });
  }
  await t.step("a preface that does not end", () => {
    assert.equal(new Bench().pass(Buffer.from(PREFACE.subarray(0, 23))).length, 0);
  });
});

/** A call whose head says that. */
function saying(...fields: HeaderList): Buffer {
  return call(ID, encodeHeaderList([...head("/a.B/Ok", "alice"), ...fields]));
}

Deno.test("B1: a hub cannot have the upstream read a call otherwise than the policy did", async (t) => {
  const path = (text: string) => call(ID, encodeHeaderList(head(text, "alice")));
  const table: [what: string, bytes: Buffer, outcome: string][] = [
    ["as it should be", saying(), "F"],
    [
      "a second path",
      call(ID, encodeHeaderList([[":path", "/a.B/Ok"], ...head("/a.B/No", "alice")])),
      "C",
    ],
    ["a path behind the fields", saying([":path", "/a.B/No"]), "C"],
    ["a field with a line in it", saying(["a", "b\r\n:path: /a.B/No"]), "C"],
    ["a connection field", saying(["transfer-encoding", "chunked"]), "C"],
    ["a query", path("/a.B/Ok?"), "A"],
    ["an escape", path("/a.B/%4Fk"), "A"],
    ["a dotted segment", path("/a.B/../a.B/No"), "A"],
    ["an empty segment", path("//a.B/Ok"), "A"],
    ["an id of the upstream's own", call(6, GOOD), "C"],
    ["an id that goes backwards", Buffer.concat([call(9, GOOD), call(7, GOOD)]), "C"],
    ["trailers with a path", Buffer.concat([saying(), call(ID, GOOD, END)]), "C"],
    ["trailers that end nothing", Buffer.concat([saying(), call(ID, TRAILERS)]), "C"],
    [
      "a block that goes on in another stream",
      Buffer.concat([
        call(ID, GOOD.subarray(0, 9), 0),
        bytesOf({ ...EMPTY, type: FrameType.CONTINUATION, flags: 4, id: 7 }),
      ]),
      "C",
    ],
    [
      "a block that anything interrupts",
      Buffer.concat([call(ID, GOOD.subarray(0, 9), 0), SETTINGS]),
      "C",
    ],
    [
      "padding longer than its frame",
      bytesOf({ type: 0, flags: 8, id: 3, payload: Buffer.of(9, 1) }),
      "C",
    ],
    [
      "RST_STREAM of five bytes",
      bytesOf({ ...EMPTY, type: 3, id: 3, payload: Buffer.alloc(5) }),
      "C",
    ],
    [
      "SETTINGS of seven bytes",
      bytesOf({ ...EMPTY, type: 4, id: 0, payload: Buffer.alloc(7) }),
      "C",
    ],
  ];
  for (const [what, bytes, outcome] of table) {
    await t.step(what, () => {
      const bench = new Bench();
      bench.pass(OPENING, call(3, GOOD));
      const frames = bench.pass(bytes);
      const answered = bench.toHub.flatMap(framesOf).some(({ type }) => type === FrameType.HEADERS);
      assert.equal(bench.broken !== "" ? "C" : answered ? "A" : "F", outcome);
      for (const frame of framesOf(frames).filter(({ type }) => type === FrameType.HEADERS)) {
        assert.ok(!fieldsOf(frame).some(([, value]) => value === "/a.B/No"));
      }
    });
  }
});

Deno.test("B1: padding and priority of HEADERS mislead nobody, and trailers name nobody", () => {
  const bench = new Bench();
  const padded = Buffer.concat([Buffer.of(3), Buffer.alloc(5), GOOD, Buffer.alloc(3)]);
  const flags = Flag.END_HEADERS | Flag.PADDED | Flag.PRIORITY;
  const out = bench.pass(OPENING, call(ID, padded, flags), call(ID, TRAILERS, END));
  const [, entered, trailers] = framesOf(out.subarray(PREFACE.length));
  assert.equal(entered?.flags, Flag.END_HEADERS, bench.broken);
  assert.deepEqual(fieldsOf(entered).slice(-1), [["x-hub-operator", "alice"]]);
  assert.deepEqual(fieldsOf(trailers!), [["x-trailer", "1"]]);
});

Deno.test("B1: what is dropped gives the hub its credit back, also in padded frames", () => {
  const bench = new Bench();
  bench.pass(OPENING, call(ID, BAD), data(ID, "12345"), FRAMES["DATA, padded"]!(ID));
  const credit = bench.toHub.flatMap(framesOf)
    .filter(({ type, id }) => type === FrameType.WINDOW_UPDATE && id === 0)
    .reduce((sum, { payload }) => sum + payload.readUInt32BE(), 0);
  assert.equal(credit, 5 + 3);
});
