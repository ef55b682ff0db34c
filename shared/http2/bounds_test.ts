/**
 * What a peer may make us do and keep: floods, header blocks, streams, windows.
 */
import assert from "node:assert/strict";
import { FLOOD_LIMITS, MAX_UNSENT_ANSWERS } from "./flood_guard.ts";
import { MAX_CONTINUATIONS } from "./header_block.ts";
import { clientVictim, serverVictim } from "./testing/outcome.ts";
import {
  block,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  frames,
  goaway,
  headers,
  join,
  number,
  paddedData,
  ping,
  repeat,
  REQUEST,
  reset,
  RESPONSE,
  settings,
  Type,
  windowUpdate,
} from "./testing/wire.ts";

const OK = headers(1, RESPONSE);
/** A request whose block goes on. */
const CONTINUED = frame(Type.HEADERS, 0, 1, block(REQUEST).subarray(0, 10));
const CALM = "connection ENHANCE_YOUR_CALM";

Deno.test("Connection bounds floods: one more than the limit ends the connection", async (t) => {
  const { rapidReset, settings: maxSettings, emptyData, ignored, streamError } = FLOOD_LIMITS;
  const rows: readonly (readonly [string, Uint8Array, number, (i: number) => Uint8Array])[] = [
    [
      "streams opened and reset at once (CVE-2023-44487)",
      new Uint8Array(),
      rapidReset,
      (i) => join(headers(2 * i + 1), reset(2 * i + 1)),
    ],
    ["SETTINGS (CVE-2019-9515)", new Uint8Array(), maxSettings - 1, () => settings()],
    ["empty DATA (CVE-2019-9518)", headers(1), emptyData, () => data(1, "")],
    ["DATA with padding only", headers(1), emptyData, () => paddedData(1, "", 0)],
    ["PRIORITY", headers(1), ignored, () => frame(Type.PRIORITY, 0, 1, new Uint8Array(5))],
    ["frames of unknown types", new Uint8Array(), ignored, () => frame(0x99, 0, 0)],
    ["GOAWAY", new Uint8Array(), FLOOD_LIMITS.goaway, () => goaway(0)],
    [
      "streams that we have to reset (MadeYouReset, CVE-2025-8671)",
      new Uint8Array(),
      streamError,
      (i) => join(headers(2 * i + 1), windowUpdate(2 * i + 1, 0)),
    ],
    [
      "requests that are malformed",
      new Uint8Array(),
      streamError,
      (i) => headers(2 * i + 1, []),
    ],
    ["PING that nobody takes the answer of", new Uint8Array(), MAX_UNSENT_ANSWERS, () => ping()],
    [
      "streams over the limit, nobody takes the answer",
      repeat(1000, (i) => headers(2 * i + 1)),
      MAX_UNSENT_ANSWERS,
      (i) => headers(2 * (1000 + i) + 1),
    ],
  ];
  for (const [name, before, limit, one] of rows) {
    await t.step(name, () => {
      const { end, after } = serverVictim();
      end.connection.receive(before);
      end.take();
      end.connection.receive(repeat(limit, one));
      assert.equal(end.error, undefined, `${limit} are allowed`);
      assert.equal(after(one(limit)), CALM);
    });
  }
  await t.step("PING whose answers are taken (CVE-2019-9512)", () => {
    const { end, after } = serverVictim();
    for (let i = 0; i < FLOOD_LIMITS.ping; i++) {
      end.connection.receive(ping());
      end.take();
    }
    assert.equal(end.error, undefined);
    assert.equal(after(ping()), CALM);
  });
  await t.step("informational responses", () => {
    const { end, after } = clientVictim();
    end.connection.receive(repeat(FLOOD_LIMITS.ignored, () => headers(1, [[":status", "103"]])));
    assert.equal(end.error, undefined);
    assert.equal(after(headers(1, [[":status", "103"]])), CALM);
  });
  await t.step("none of them counts for ever: a tick begins a new second", () => {
    const { end } = serverVictim();
    for (let second = 0; second < 3; second++) {
      const first = second * rapidReset;
      end.connection.receive(
        repeat(rapidReset, (i) => join(headers(2 * (first + i) + 1), reset(2 * (first + i) + 1))),
      );
      end.connection.tick();
      end.take();
    }
    assert.equal(end.error, undefined);
  });
});

Deno.test("Connection never takes a busy client for a flood, also when a tick comes late", async (t) => {
  const table: [what: string, perSecond: number, one: (i: number) => Uint8Array][] = [
    ["calls that are cancelled", 1000, (i) => join(headers(2 * i + 1), reset(2 * i + 1))],
    ["pings that measure the path, each behind the answer to the last", 5000, () => ping()],
    ["calls whose metadata no hub takes", 100, (i) => headers(2 * i + 1, [["Te", "x"]])],
    ["windows that grow with the path", 8, (i) => settings([4, 65_535 + i])],
  ];
  for (const [what, perSecond, one] of table) {
    await t.step(what, () => {
      const { end } = serverVictim();
      let sent = 0;
      for (const seconds of [1, 0.7, 1.3, 1, 1.3, 1.3]) {
        for (let left = seconds * perSecond; left > 0; left--) {
          end.connection.receive(one(sent++));
          end.take();
        }
        assert.equal(end.error, undefined, `after ${sent}`);
        end.connection.tick();
      }
    });
  }
});

Deno.test("Connection bounds header blocks", async (t) => {
  await t.step("CONTINUATION without end (CVE-2024-27316)", () => {
    const { end, after } = serverVictim();
    const empty = frame(Type.CONTINUATION, 0, 1);
    end.connection.receive(join(CONTINUED, repeat(MAX_CONTINUATIONS, () => empty)));
    assert.equal(end.error, undefined);
    assert.equal(after(empty), CALM);
  });
  await t.step("CONTINUATION with too many bytes", () => {
    const large = frame(Type.CONTINUATION, 0, 1, new Uint8Array(16_384));
    assert.equal(serverVictim().after(join(CONTINUED, repeat(4, () => large))), CALM);
  });
  await t.step("a list over the limit is answered, and does not end the connection", () => {
    const { end, after } = serverVictim({ maxHeaderListBytes: 1000 });
    const many = Array.from({ length: 30 }, (_, i) => [`field-${i}`, "value"] as const);
    assert.equal(after(headers(1, [...REQUEST, ...many])), "fine");
    assert.deepEqual(end.events(), ["open 1 ?"]);
  });
  await t.step("an HPACK bomb: one entry of the table, over and over", () => {
    const { end, after } = serverVictim();
    const value = new Uint8Array(4000).fill(97);
    // A literal with indexing, 4000 bytes: name "x", length 127 + 3873 (RFC 7541 §5.1).
    const add = join(Uint8Array.of(0x40, 1, 0x78, 0x7f, 0xa1, 0x1e), value);
    const bomb = join(block(REQUEST), add, new Uint8Array(8000).fill(0xbe));
    assert.equal(after(frame(Type.HEADERS, END_HEADERS | END_STREAM, 1, bomb)), "fine");
    assert.deepEqual(end.events(), ["open 1 ? end"]);
    assert.equal(after(headers(3)), "fine");
  });
  await t.step("trailers over the limit end their stream", () => {
    const { after } = clientVictim({ maxHeaderListBytes: 500 });
    const many = Array.from({ length: 20 }, (_, i) => [`field-${i}`, "value"] as const);
    assert.equal(after(join(OK, headers(1, many, END_STREAM))), "stream 1 ENHANCE_YOUR_CALM");
  });
});

Deno.test("Connection bounds streams", async (t) => {
  await t.step("those over the limit are refused, and may be opened when others have ended", () => {
    const { end, after } = serverVictim({ maxConcurrentStreams: 2 });
    assert.equal(after(join(headers(1), headers(3), headers(5))), "stream 5 REFUSED_STREAM");
    assert.equal(after(data(5, "on its way")), "fine");
    assert.equal(after(join(reset(1), headers(7))), "fine");
    assert.equal(end.connection.streamCount, 2);
  });
  await t.step("the connection's window holds for what is refused as well", () => {
    const { after } = serverVictim({ maxConcurrentStreams: 0, connectionWindow: 65_535 });
    const piece = new Uint8Array(16_384);
    for (let i = 0; i < 20; i++) {
      const expected = i === 0 ? "stream 1 REFUSED_STREAM" : "fine";
      assert.equal(after(i === 0 ? join(headers(1), data(1, piece)) : data(1, piece)), expected);
    }
  });
  await t.step("a connection's window that is exceeded ends the connection", () => {
    const { end, after } = serverVictim({ connectionWindow: 65_535 });
    end.consumes = false;
    const piece = new Uint8Array(16_384);
    const ids = [1, 3, 5, 7];
    const bytes = join(...ids.map((id) => join(headers(id), data(id, piece))));
    assert.equal(after(bytes), "connection FLOW_CONTROL_ERROR");
  });
});

Deno.test("Connection forgives what was on its way when it reset a stream", async (t) => {
  const late: readonly Uint8Array[] = [
    data(1, "late"),
    headers(1, [], END_STREAM),
    windowUpdate(1, 0),
    reset(1),
  ];
  await t.step("as server", () => {
    const { end, after } = serverVictim();
    assert.equal(after(headers(1)), "fine");
    end.connection.reset(end.streams.get(1)!, 8);
    assert.equal(after(new Uint8Array()), "stream 1 CANCEL");
    for (const bytes of late) assert.equal(after(bytes), "fine");
  });
  await t.step("as server, after thousands of calls that ended", () => {
    const { end, after } = serverVictim();
    after(headers(1));
    end.connection.reset(end.streams.get(1)!, 8);
    end.take();
    for (let id = 3; id < 6000; id += 2) {
      end.connection.receive(headers(id, REQUEST, END_STREAM));
      end.connection.headers(end.streams.get(id)!, block(RESPONSE), true);
      end.take();
    }
    assert.equal(after(data(1, "late")), "fine");
  });
  await t.step("as server, thousands at once", () => {
    const count = 3000;
    const { end } = serverVictim({ maxConcurrentStreams: count });
    end.connection.receive(repeat(count, (i) => headers(2 * i + 1)));
    for (const stream of end.streams.values()) end.connection.reset(stream, 0);
    end.take();
    end.connection.receive(repeat(count, (i) => data(2 * i + 1, "late")));
    assert.equal(end.error, undefined);
    assert.deepEqual(frames(end.take()), []);
  });
  await t.step("as client", () => {
    const { end, after } = clientVictim();
    end.connection.reset(end.streams.get(1)!, 8);
    end.take();
    for (const bytes of [OK, data(1, "late"), reset(1)]) assert.equal(after(bytes), "fine");
  });
  await t.step("and gives the connection's window back for it", () => {
    const { end } = serverVictim({ connectionWindow: 65_535 });
    end.connection.receive(headers(1));
    end.connection.reset(end.streams.get(1)!, 8);
    end.take();
    for (let i = 0; i < 3; i++) end.connection.receive(data(1, new Uint8Array(16_384)));
    const updates = frames(end.take()).filter(({ type }) => type === Type.WINDOW_UPDATE);
    assert.deepEqual(updates.map(({ id, payload }) => [id, number(payload)]), [[0, 32_768]]);
  });
});
