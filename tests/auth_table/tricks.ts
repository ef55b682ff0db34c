/**
 * Tricks of HTTP/2 that no honest client plays. `lab` may call lab-1, and tries to reach edge-1 or
 * to be another; a trick that is none is a call to lab-1.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import {
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  headers,
  join,
  PREFACE,
  settings,
  Type,
} from "../../shared/http2/testing/wire.ts";
import { type AuthTable, outcome, type Row } from "../support/auth_table.ts";
import { GET, tokenOf } from "../support/auth_world.ts";
import { type BareField, callFields, exchange } from "../support/bare_call.ts";
import { dialTcp } from "../support/path.ts";

const MESSAGE = new Uint8Array(5);
const HEAD = join(PREFACE, settings());
const END = data(1, MESSAGE, END_STREAM);

/** A literal field that goes into the dynamic table (RFC 7541 §6.2.1). */
function remembered([name, value]: BareField): Uint8Array {
  const [n, v] = [Buffer.from(name), Buffer.from(value)];
  return new Uint8Array(Buffer.concat([Buffer.of(0x40, n.length), n, Buffer.of(v.length), v]));
}

function plain(fields: readonly BareField[]): Uint8Array {
  return headersOf(fields).subarray(9);
}

function headersOf(fields: readonly BareField[], id = 1, flags = 0): Uint8Array {
  return headers(id, fields, flags);
}

/** A block cut into HEADERS and so many CONTINUATIONs. */
function cut(block: Uint8Array, pieces: number): Uint8Array {
  const size = Math.ceil(block.length / pieces);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < block.length; at += size) {
    const last = at + size >= block.length;
    const type = at === 0 ? Type.HEADERS : Type.CONTINUATION;
    parts.push(frame(type, last ? END_HEADERS : 0, 1, block.subarray(at, at + size)));
  }
  return join(...parts);
}

export function tricks(table: AuthTable): Row[] {
  const lab = table.bearer("lab");
  const named = (name: string): BareField => ["x-hub-server", name];
  const call = (more: readonly BareField[], changes: { path?: string; authority?: string } = {}) =>
    callFields({ path: GET, more, ...changes });
  const replaced = (name: string, value: string, more: readonly BareField[]) =>
    call(more).map((field): BareField => field[0] === name ? [name, value] : field);
  const inserted = (field: BareField, more: readonly BareField[], at = 4) =>
    call(more).toSpliced(at, 0, field);
  const toLab = [lab, named("lab-1")];
  const REFUSED = ["reset", "goaway", "closed"];
  const ALLOWED = `lab-1 ${GET} as lab`;

  /** What is sent behind the preface and SETTINGS; `reaches` lab-1, or nobody. */
  type Trick = [
    what: string,
    bytes: (mark: BareField) => Uint8Array,
    told: string | readonly string[],
    reaches?: boolean,
  ];
  const list: Trick[] = [
    [
      "trailers that name another server",
      (mark) =>
        join(
          headersOf(call([...toLab, mark])),
          data(1, MESSAGE),
          headersOf([named("edge-1")], 1, END_STREAM),
        ),
      "OK",
      true,
    ],
    ["trailers with a credential", (mark) =>
      join(
        headersOf(call([named("edge-1"), mark])),
        data(1, MESSAGE),
        headersOf([["authorization", `Bearer ${tokenOf("root")}`]], 1, END_STREAM),
      ), "UNAUTHENTICATED"],
    [
      "trailers with a path",
      (mark) =>
        join(
          headersOf(call([...toLab, mark])),
          data(1, MESSAGE),
          headersOf([[":path", GET], named("edge-1")], 1, END_STREAM),
        ),
      [...REFUSED, "INTERNAL"],
      true,
    ],
    [
      "a second HEADERS that does not end the call",
      (mark) =>
        join(
          headersOf(call([...toLab, mark])),
          data(1, MESSAGE),
          headersOf(call([lab, named("edge-1"), mark])),
          END,
        ),
      [...REFUSED, "INTERNAL"],
      true,
    ],
    [
      "a path that is given twice",
      (mark) => join(headersOf(inserted([":path", GET], [...toLab, mark])), END),
      REFUSED,
    ],
    [
      "an authority that is given twice",
      (mark) => join(headersOf(inserted([":authority", "edge-1"], [...toLab, mark])), END),
      REFUSED,
    ],
    [
      "a method that is given twice",
      (mark) => join(headersOf(inserted([":method", "POST"], [...toLab, mark])), END),
      REFUSED,
    ],
    [
      "a pseudo-header field behind the others",
      (mark) => join(headersOf([...call([...toLab, mark]), [":authority", "edge-1"]]), END),
      REFUSED,
    ],
    [
      "a pseudo-header field that there is not",
      (mark) => join(headersOf(inserted([":server", "edge-1"], [...toLab, mark])), END),
      REFUSED,
    ],
    [
      "a status in a request",
      (mark) => join(headersOf(inserted([":status", "200"], [...toLab, mark])), END),
      REFUSED,
    ],
    ["extended CONNECT", (mark) =>
      join(
        headersOf([
          [":method", "CONNECT"],
          [":protocol", "websocket"],
          [":scheme", "http"],
          [":path", GET],
          [":authority", "edge-1"],
          ...toLab,
          mark,
        ]),
        END,
      ), REFUSED],
    [
      "CONNECT inside of HTTP/2",
      (mark) =>
        join(headersOf([[":method", "CONNECT"], [":authority", "edge-1:443"], lab, mark]), END),
      [
        ...REFUSED,
        "INVALID_ARGUMENT",
      ],
    ],
    [
      "another method",
      (mark) => join(headersOf(replaced(":method", "GET", [lab, named("edge-1"), mark])), END),
      REFUSED,
    ],
    ["another content type", (mark) =>
      join(
        headersOf(replaced("content-type", "text/plain", [lab, named("edge-1"), mark])),
        END,
      ), REFUSED],
    [
      "no scheme",
      (mark) => join(headersOf(call([...toLab, mark]).filter(([name]) => name !== ":scheme")), END),
      REFUSED,
    ],
    [
      "a scheme that is none",
      (mark) => join(headersOf(replaced(":scheme", "ht tp", [...toLab, mark])), END),
      REFUSED,
    ],
    ["te: gzip", (mark) => join(headersOf(replaced("te", "gzip", [...toLab, mark])), END), REFUSED],
    ...["connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection"].map((
      name,
    ): Trick => [
      `${name} names what is to be dropped`,
      (mark) => join(headersOf(call([[name, "x-hub-server"], ...toLab, mark])), END),
      REFUSED,
    ]),
    [
      "two hosts",
      (mark) => join(headersOf(call([["host", "lab-1"], ["host", "edge-1"], ...toLab, mark])), END),
      REFUSED,
    ],
    [
      "an empty host",
      (mark) => join(headersOf(call([["host", ""], ...toLab, mark])), END),
      REFUSED,
    ],
    ["content-length twice", (mark) =>
      join(
        headersOf(call([["content-length", "5"], ["content-length", "5"], ...toLab, mark])),
        END,
      ), REFUSED],
    [
      "no authority at all",
      (mark) =>
        join(
          headersOf(call([...toLab, mark]).filter(([name]) => name !== ":authority")),
          END,
        ),
      "OK",
      true,
    ],
    [
      "an authority that is empty",
      (mark) => join(headersOf(call([...toLab, mark], { authority: "" })), END),
      "OK",
      true,
    ],
    [
      "CONTINUATIONs that part the names",
      (mark) => join(cut(plain(call([lab, named("edge-1"), mark])), 6), END),
      "PERMISSION_DENIED",
    ],
    [
      "CONTINUATIONs, and a good call",
      (mark) => join(cut(plain(call([...toLab, mark])), 6), END),
      "OK",
      true,
    ],
    ["CONTINUATION of another stream", (mark) =>
      join(
        frame(Type.HEADERS, 0, 1, plain(call([...toLab, mark]))),
        frame(Type.CONTINUATION, END_HEADERS, 3, plain([named("edge-1")])),
      ), REFUSED],
    ["DATA inside of a header block", (mark) =>
      join(
        frame(Type.HEADERS, 0, 1, plain(call([...toLab, mark]))),
        END,
        frame(Type.CONTINUATION, END_HEADERS, 1, plain([named("edge-1")])),
      ), REFUSED],
    ["DATA without HEADERS", () => join(data(3, MESSAGE, END_STREAM)), REFUSED],
    [
      "a stream of the hub's own numbers",
      (mark) => join(headersOf(call([...toLab, mark]), 2, END_STREAM)),
      REFUSED,
    ],
    ["PUSH_PROMISE", (mark) =>
      frame(
        Type.PUSH_PROMISE,
        END_HEADERS,
        1,
        join(Uint8Array.of(0, 0, 0, 2), plain(call([...toLab, mark]))),
      ), REFUSED],
  ];
  const rows = list.map(([what, bytes, told, reaches = false]): Row => ({
    what,
    run: async (mark) =>
      outcome(
        await exchange(await dialTcp(table.world.callAddress), join(HEAD, bytes(mark))),
      ),
    told,
    ...(reaches ? { arrives: ALLOWED } : {}),
  }));
  rows.push(...oldValues(table));
  return rows;
}

/** The same bytes mean something else when HPACK's table has changed (RFC 7541 §2.3.3). */
function oldValues(table: AuthTable): Row[] {
  const unnamed = (mark: BareField) =>
    plain(callFields({ path: GET, more: [table.bearer("lab"), mark] }));
  const call = (id: number, ...block: Uint8Array[]) =>
    join(frame(Type.HEADERS, END_HEADERS, id, join(...block)), data(id, MESSAGE, END_STREAM));
  const [lab1, edge1] = [
    remembered(["x-hub-server", "lab-1"]),
    remembered(["x-hub-server", "edge-1"]),
  ];
  const newest = Uint8Array.of(0x80 | 62);
  const forget = Uint8Array.of(0x20);
  const ask = async (id: number, bytes: Uint8Array) =>
    outcome(await exchange(await dialTcp(table.world.callAddress), join(HEAD, bytes), id));
  const arrival = `lab-1 ${GET} as lab`;
  return [
    {
      what: "a block that meant lab-1, and now means edge-1",
      run: (mark) => {
        const [open, again] = [unnamed(mark), join(unnamed(mark), newest)];
        return ask(
          7,
          join(call(1, open, lab1), call(3, again), call(5, open, edge1), call(7, again)),
        );
      },
      told: "PERMISSION_DENIED",
      arrives: [arrival, arrival],
    },
    {
      what: "a block that meant edge-1, and now means lab-1",
      run: (mark) => {
        const [open, again] = [unnamed(mark), join(unnamed(mark), newest)];
        return ask(
          7,
          join(call(1, open, edge1), call(3, again), call(5, open, lab1), call(7, again)),
        );
      },
      told: "OK",
      arrives: [arrival, arrival],
    },
    {
      what: "an entry of the table that was thrown away",
      run: (mark) =>
        ask(3, join(call(1, unnamed(mark), lab1), call(3, forget, unnamed(mark), newest))),
      told: "goaway",
      arrives: arrival,
    },
    {
      what: "an entry of the table that there never was",
      run: (mark) => ask(1, call(1, unnamed(mark), newest)),
      told: "goaway",
    },
  ];
}
