/**
 * Bad input for a server, section by section of RFC 9113: what is an error, of what kind.
 */
import assert from "node:assert/strict";
import { errorName } from "./frames.ts";
import { Recorder } from "./testing/recorder.ts";
import { type Outcomes, serverVictim, testOutcomes } from "./testing/outcome.ts";
import {
  ACK,
  block,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  goaway,
  headers,
  join,
  PADDED,
  paddedData,
  ping,
  PREFACE,
  PRIORITY,
  repeat,
  REQUEST,
  reset,
  settings,
  text,
  Type,
  uint32,
  windowUpdate,
} from "./testing/wire.ts";

const CONTINUED = frame(Type.HEADERS, 0, 1, block(REQUEST).subarray(0, 10));
const REST = block(REQUEST).subarray(10);

const SECTIONS: Readonly<Record<string, Outcomes>> = {
  "§4.1 unknown frames are ignored": {
    "fine": {
      "type 0x21": frame(0x21, 0xff, 1, new Uint8Array(20)),
      "with the reserved bit": frame(Type.PING, 0, 0x80000000, new Uint8Array(8)),
    },
    "connection PROTOCOL_ERROR": {
      "inside a header block": join(CONTINUED, frame(0x21, 0, 1)),
    },
  },
  "§4.2 frame size": {
    "fine": {
      "16384 bytes": join(headers(1), data(1, new Uint8Array(16_384))),
    },
    "connection FRAME_SIZE_ERROR": {
      "16385 bytes of DATA": join(headers(1), data(1, new Uint8Array(16_385))),
      "16385 bytes of HEADERS": frame(Type.HEADERS, 4, 1, new Uint8Array(16_385)),
      "2^24-1, and nothing else": frame(0x77, 0, 0, new Uint8Array(), 0xffffff),
    },
  },
  "§4.3 header blocks": {
    "connection COMPRESSION_ERROR": {
      "no HPACK": frame(Type.HEADERS, END_HEADERS, 1, Uint8Array.of(0x80)),
      "cut short": frame(Type.HEADERS, END_HEADERS, 1, Uint8Array.of(0, 9, 1)),
      "index beyond the tables": frame(Type.HEADERS, END_HEADERS, 1, Uint8Array.of(0xff, 0x60)),
      "a table of 1 MiB": frame(
        Type.HEADERS,
        END_HEADERS,
        1,
        Uint8Array.of(0x3f, 0xe1, 0xff, 0x3f),
      ),
      "no HPACK on a stream that is refused": join(
        headers(5),
        frame(Type.HEADERS, END_HEADERS, 4, Uint8Array.of(0x80)),
      ),
    },
  },
  "§5.1 states: idle": {
    "connection PROTOCOL_ERROR": {
      "DATA": data(1, "x"),
      "RST_STREAM": reset(1),
      "WINDOW_UPDATE": windowUpdate(1, 1),
      "CONTINUATION": frame(Type.CONTINUATION, 4, 1),
      "DATA on a stream that only a server can open": join(headers(3), data(2, "x")),
      "DATA on a stream above the last": join(headers(3), data(5, "x")),
    },
    "fine": {
      "PRIORITY": frame(Type.PRIORITY, 0, 1, new Uint8Array(5)),
    },
  },
  "§5.1 states: half-closed by the peer": {
    "stream 1 STREAM_CLOSED": {
      "DATA": join(headers(1, REQUEST, END_STREAM), data(1, "x")),
      "HEADERS": join(headers(1, REQUEST, END_STREAM), headers(1, [], END_STREAM)),
    },
    "fine": {
      "WINDOW_UPDATE": join(headers(1, REQUEST, END_STREAM), windowUpdate(1, 9)),
      "RST_STREAM": join(headers(1, REQUEST, END_STREAM), reset(1)),
    },
  },
  "§5.1 states: closed by the peer's RST_STREAM": {
    "stream 1 STREAM_CLOSED": {
      "DATA": join(headers(1), reset(1), data(1, "x")),
    },
    "connection STREAM_CLOSED": {
      "HEADERS": join(headers(1), reset(1), headers(1)),
    },
    "fine": {
      "RST_STREAM": join(headers(1), reset(1), reset(1)),
      "WINDOW_UPDATE": join(headers(1), reset(1), windowUpdate(1, 9)),
      "PRIORITY": join(headers(1), reset(1), frame(Type.PRIORITY, 0, 1, new Uint8Array(5))),
    },
  },
  "§5.1.1 stream ids": {
    "connection PROTOCOL_ERROR": {
      "even": headers(2),
      "0": headers(0),
      "lower than the last": join(headers(5), headers(3)),
    },
    "fine": {
      "the highest": headers(2 ** 31 - 1),
    },
  },
  "§5.3.1 of RFC 7540: a stream that depends on itself": {
    "stream 1 PROTOCOL_ERROR": {
      "HEADERS": frame(
        Type.HEADERS,
        END_HEADERS | PRIORITY,
        1,
        join(uint32(1), Uint8Array.of(0), block(REQUEST)),
      ),
      "PRIORITY": join(headers(1), frame(Type.PRIORITY, 0, 1, join(uint32(1), Uint8Array.of(0)))),
    },
  },
  "§6.1 DATA": {
    "connection PROTOCOL_ERROR": {
      "on stream 0": data(0, "x"),
      "padding as long as the frame": join(
        headers(1),
        frame(Type.DATA, PADDED, 1, Uint8Array.of(3, 0, 0)),
      ),
      "padding without its length": join(headers(1), frame(Type.DATA, PADDED, 1)),
    },
    "fine": {
      "padding only": join(headers(1), paddedData(1, "", 255)),
    },
  },
  "§6.2 HEADERS": {
    "connection PROTOCOL_ERROR": {
      "padding as long as the frame": frame(
        Type.HEADERS,
        END_HEADERS | PADDED,
        1,
        Uint8Array.of(9, 0, 0),
      ),
    },
    "connection FRAME_SIZE_ERROR": {
      "no room for its priority": frame(Type.HEADERS, END_HEADERS | PRIORITY, 1, new Uint8Array(4)),
    },
    "fine": {
      "padding and priority": frame(
        Type.HEADERS,
        END_HEADERS | PADDED | PRIORITY,
        1,
        join(Uint8Array.of(2), uint32(0), Uint8Array.of(15), block(REQUEST), new Uint8Array(2)),
      ),
    },
  },
  "§6.3 PRIORITY": {
    "connection PROTOCOL_ERROR": {
      "on stream 0": frame(Type.PRIORITY, 0, 0, new Uint8Array(5)),
    },
    "stream 1 FRAME_SIZE_ERROR": {
      "of 4 bytes": join(headers(1), frame(Type.PRIORITY, 0, 1, new Uint8Array(4))),
    },
  },
  "§6.4 RST_STREAM": {
    "connection PROTOCOL_ERROR": {
      "on stream 0": reset(0),
    },
    "connection FRAME_SIZE_ERROR": {
      "of 3 bytes": join(headers(1), frame(Type.RST_STREAM, 0, 1, new Uint8Array(3))),
      "of 5 bytes": join(headers(1), frame(Type.RST_STREAM, 0, 1, new Uint8Array(5))),
    },
    "fine": {
      "with a code that nobody knows": join(headers(1), reset(1, 0xdeadbeef)),
    },
  },
  "§6.5 SETTINGS": {
    "connection PROTOCOL_ERROR": {
      "on stream 1": frame(Type.SETTINGS, 0, 1),
      "ENABLE_PUSH of 2": settings([2, 2]),
      "MAX_FRAME_SIZE of 16383": settings([5, 16_383]),
      "MAX_FRAME_SIZE of 2^24": settings([5, 2 ** 24]),
    },
    "connection FRAME_SIZE_ERROR": {
      "of 5 bytes": frame(Type.SETTINGS, 0, 0, new Uint8Array(5)),
      "ACK with a payload": frame(Type.SETTINGS, ACK, 0, new Uint8Array(6)),
    },
    "connection FLOW_CONTROL_ERROR": {
      "INITIAL_WINDOW_SIZE of 2^31": settings([4, 2 ** 31]),
    },
    "fine": {
      "unknown ones": settings([0xff, 1], [0x8, 0]),
      "an ACK that nobody waits for": frame(Type.SETTINGS, ACK, 0),
    },
  },
  "§6.6 PUSH_PROMISE": {
    "connection PROTOCOL_ERROR": {
      "from a client": join(headers(1), frame(Type.PUSH_PROMISE, END_HEADERS, 1, uint32(2))),
    },
  },
  "§6.7 PING": {
    "connection PROTOCOL_ERROR": {
      "on stream 1": frame(Type.PING, 0, 1, new Uint8Array(8)),
    },
    "connection FRAME_SIZE_ERROR": {
      "of 7 bytes": frame(Type.PING, 0, 0, new Uint8Array(7)),
      "of 9 bytes": frame(Type.PING, 0, 0, new Uint8Array(9)),
    },
  },
  "§6.8 GOAWAY": {
    "connection PROTOCOL_ERROR": {
      "on stream 1": frame(Type.GOAWAY, 0, 1, new Uint8Array(8)),
    },
    "connection FRAME_SIZE_ERROR": {
      "of 7 bytes": frame(Type.GOAWAY, 0, 0, new Uint8Array(7)),
    },
    "fine": {
      "from a client, who still ends its calls": join(
        headers(1),
        goaway(0),
        data(1, "x", END_STREAM),
      ),
    },
  },
  "§6.9 WINDOW_UPDATE": {
    "connection PROTOCOL_ERROR": {
      "of 0 on the connection": windowUpdate(0, 0),
    },
    "stream 1 PROTOCOL_ERROR": {
      "of 0 on a stream": join(headers(1), windowUpdate(1, 0)),
    },
    "connection FRAME_SIZE_ERROR": {
      "of 3 bytes": frame(Type.WINDOW_UPDATE, 0, 0, new Uint8Array(3)),
      "of 3 bytes on a stream": join(
        headers(1),
        frame(Type.WINDOW_UPDATE, 0, 1, new Uint8Array(3)),
      ),
    },
    "connection FLOW_CONTROL_ERROR": {
      "that makes the connection's window too large": windowUpdate(0, 2 ** 31 - 1),
      "settings that make a stream's window too large": join(
        headers(1),
        windowUpdate(1, 1),
        settings([4, 2 ** 31 - 1]),
      ),
    },
    "fine": {
      "that makes it as large as it may be": windowUpdate(0, 2 ** 31 - 1 - 65_535),
    },
    "stream 1 FLOW_CONTROL_ERROR": {
      "that makes a stream's window too large": join(headers(1), windowUpdate(1, 2 ** 31 - 1)),
    },
  },
  "§6.9.1 more than the windows allow": {
    "stream 1 FLOW_CONTROL_ERROR": {
      "a stream's": join(headers(1), repeat(4, () => data(1, new Uint8Array(16_384)))),
    },
  },
  "§6.10 CONTINUATION": {
    "connection PROTOCOL_ERROR": {
      "on another stream": join(CONTINUED, frame(Type.CONTINUATION, 4, 3, REST)),
      "on stream 0": frame(Type.CONTINUATION, 4, 0),
      "behind END_HEADERS": join(headers(1), frame(Type.CONTINUATION, 4, 1)),
      "missing: DATA": join(CONTINUED, data(1, "x")),
      "missing: DATA with padding": join(CONTINUED, paddedData(1, "x", 1)),
      "missing: PING": join(CONTINUED, ping()),
      "missing: other HEADERS": join(CONTINUED, headers(3)),
    },
    "fine": {
      "in three pieces": join(
        CONTINUED,
        frame(Type.CONTINUATION, 0, 1, REST.subarray(0, 3)),
        frame(Type.CONTINUATION, 4, 1, REST.subarray(3)),
      ),
    },
  },
  "§8.1 malformed messages": {
    "stream 1 PROTOCOL_ERROR": {
      "trailers without END_STREAM": join(headers(1), headers(1, [["a", "b"]])),
      "a pseudo-header field in trailers": join(
        headers(1),
        headers(1, [[":path", "/"]], END_STREAM),
      ),
      "no :method": headers(1, REQUEST.slice(1)),
      "an upper-case name": headers(1, [...REQUEST, ["Te", "trailers"]]),
      "connection: close": headers(1, [...REQUEST, ["connection", "close"]]),
      "only that stream suffers": join(headers(1, []), headers(3)),
    },
  },
  "§8.1.1 content-length": {
    "stream 1 PROTOCOL_ERROR": {
      "less DATA": join(
        headers(1, [...REQUEST, ["content-length", "3"]]),
        data(1, "ab", END_STREAM),
      ),
      "more DATA": join(headers(1, [...REQUEST, ["content-length", "1"]]), data(1, "ab")),
      "none at all": headers(1, [...REQUEST, ["content-length", "1"]], END_STREAM),
      "less before trailers": join(
        headers(1, [...REQUEST, ["content-length", "1"]]),
        headers(1, [], END_STREAM),
      ),
      "twice, and not the same": headers(1, [...REQUEST, ["content-length", "1"], [
        "content-length",
        "2",
      ]]),
      "no number": headers(1, [...REQUEST, ["content-length", "-1"]]),
    },
    "fine": {
      "the same, padded": join(
        headers(1, [...REQUEST, ["content-length", "2"]]),
        paddedData(1, "ab", 7, END_STREAM),
      ),
    },
  },
};

for (const [section, outcomes] of Object.entries(SECTIONS)) {
  Deno.test(`Connection as server, ${section}`, (t) => testOutcomes(t, serverVictim, outcomes));
}

Deno.test("Connection as server, §3.4 takes nothing but a preface", async (t) => {
  const begin = (bytes: Uint8Array) => {
    const end = new Recorder({ role: "server" });
    end.connection.start();
    end.connection.receive(bytes);
    return end.error === undefined ? "fine" : errorName(end.error.code);
  };
  const rows: readonly (readonly [string, Uint8Array, string])[] = [
    ["HTTP/1.1", text("GET / HTTP/1.1\r\n\r\n"), "PROTOCOL_ERROR"],
    ["its last byte wrong", join(PREFACE.subarray(0, -1), Uint8Array.of(0)), "PROTOCOL_ERROR"],
    ["half of it", PREFACE.subarray(0, 12), "fine"],
    ["no SETTINGS behind it", join(PREFACE, ping()), "PROTOCOL_ERROR"],
    ["DATA behind it", join(PREFACE, data(1, "x")), "PROTOCOL_ERROR"],
    ["an ACK behind it", join(PREFACE, frame(Type.SETTINGS, ACK, 0)), "PROTOCOL_ERROR"],
    ["SETTINGS behind it", join(PREFACE, settings()), "fine"],
  ];
  for (const [name, bytes, expected] of rows) {
    await t.step(name, () => assert.equal(begin(bytes), expected));
  }
});

Deno.test("Connection answers nothing and hears nothing after an error of the connection", () => {
  const { end, after } = serverVictim();
  const bytes = join(headers(1), ping(), data(0, "x"), headers(3));
  assert.equal(after(bytes), "connection PROTOCOL_ERROR");
  assert.equal(end.streams.has(3), false);
  end.events();
  end.connection.receive(join(headers(5), ping(), data(1, "late")));
  assert.deepEqual(end.events(), []);
  assert.equal(end.take().length, 0);
});
