/**
 * Bad input for a client, section by section of RFC 9113: what is an error, of what kind.
 */
import { clientVictim, type Outcomes, testOutcomes } from "./testing/outcome.ts";
import {
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  headers,
  join,
  REQUEST,
  reset,
  RESPONSE,
  Type,
  uint32,
  windowUpdate,
} from "./testing/wire.ts";

const OK = headers(1, RESPONSE);

const SECTIONS: Readonly<Record<string, Outcomes>> = {
  "§5.1 states": {
    "stream 1 PROTOCOL_ERROR": {
      "DATA before HEADERS": data(1, "x"),
    },
    "stream 1 STREAM_CLOSED": {
      "DATA behind the end": join(headers(1, RESPONSE, END_STREAM), data(1, "x")),
    },
    "fine": {
      "DATA on a stream that has ended both ways": join(
        headers(3, RESPONSE, END_STREAM),
        data(3, "x"),
      ),
    },
    "connection PROTOCOL_ERROR": {
      "DATA on a stream that we have not opened": data(5, "x"),
      "HEADERS on a stream that we have not opened": headers(5, RESPONSE),
      "HEADERS on a stream of the server's own": headers(2, RESPONSE),
      "RST_STREAM on one that we have not opened": reset(5),
      "WINDOW_UPDATE on one that we have not opened": windowUpdate(5, 1),
    },
  },
  "§6.6 PUSH_PROMISE": {
    "connection PROTOCOL_ERROR": {
      "though we said that we take none": frame(Type.PUSH_PROMISE, END_HEADERS, 1, uint32(2)),
    },
  },
  "§8.1 malformed responses": {
    "stream 1 PROTOCOL_ERROR": {
      "no :status": headers(1, []),
      ":status is no number": headers(1, [[":status", "ok"]]),
      ":status behind another field": headers(1, [["a", "b"], ...RESPONSE]),
      "a request": headers(1, REQUEST),
      "1xx that ends the stream": headers(1, [[":status", "103"]], END_STREAM),
      "a second response": join(OK, OK),
    },
    "fine": {
      "1xx, then the response": join(headers(1, [[":status", "103"]]), OK),
    },
  },
  "§8.1.1 content-length": {
    "stream 1 PROTOCOL_ERROR": {
      "less DATA": join(
        headers(1, [...RESPONSE, ["content-length", "3"]]),
        data(1, "ab", END_STREAM),
      ),
      "more DATA": join(headers(1, [...RESPONSE, ["content-length", "1"]]), data(1, "ab")),
      "less before trailers": join(
        headers(1, [...RESPONSE, ["content-length", "1"]]),
        headers(1, [], END_STREAM),
      ),
    },
    "fine": {
      "no content by its nature": headers(
        1,
        [[":status", "304"], ["content-length", "9"]],
        END_STREAM,
      ),
    },
  },
};

for (const [section, outcomes] of Object.entries(SECTIONS)) {
  Deno.test(`Connection as client, ${section}`, (t) => testOutcomes(t, clientVictim, outcomes));
}
