/**
 * One call as its bytes: fields in whatever spelling, order and number a test wants, which no
 * library would send.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type net from "node:net";
import { FrameType, PREFACE, readUint31 } from "../../shared/http2/frames.ts";
import { HpackDecoder } from "../../shared/http2/hpack/decoder.ts";
import { percentDecode } from "../../shared/grpc/percent.ts";
import { type DialOptions, dialTcp, drop } from "./path.ts";
import { within } from "./until.ts";

export type BareField = readonly [name: string, value: string];

/** How a call ended: its status, or what HTTP/2 said in its place. */
export interface BareAnswer {
  readonly status: number | "reset" | "goaway" | "closed";
  readonly message: string;
  readonly fields: ReadonlyMap<string, string>;
  /** What a JSON handshake of raw mode would have seen, for comparison of messages. */
  readonly text: string;
}

const HEADERS_FRAME_BYTES = 9;

/** A literal field without indexing, never Huffman-coded (RFC 7541 §6.2.2). */
function literal([name, value]: BareField): number[] {
  return [0, ...string(name), ...string(value)];
}

function string(text: string): number[] {
  const bytes = [...text].map((char) => char.charCodeAt(0) & 0xff);
  return [...integer(bytes.length), ...bytes];
}

/** RFC 7541 §5.1 with a prefix of seven bits. */
function integer(value: number): number[] {
  if (value < 127) return [value];
  const out = [127];
  let rest = value - 127;
  for (; rest >= 128; rest >>= 7) out.push((rest & 127) | 128);
  return [...out, rest];
}

function frame(type: number, flags: number, streamId: number, payload: readonly number[]) {
  const { length } = payload;
  return [
    length >> 16,
    (length >> 8) & 255,
    length & 255,
    type,
    flags,
    ...[24, 16, 8, 0].map((shift) => (streamId >> shift) & 255),
    ...payload,
  ];
}

/** The fields of an ordinary call of Echo, to be changed by a test. */
export function callFields(
  { path = "/echo.v1.Echo/Unary", authority = "hub.test", more = [] }: {
    readonly path?: string;
    readonly authority?: string;
    readonly more?: readonly BareField[];
  },
): BareField[] {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", authority],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ...more,
  ];
}

/** A call with an empty message, behind the preface of a connection. */
export function callBytes(fields: readonly BareField[]): Uint8Array {
  return new Uint8Array([
    ...PREFACE,
    ...frame(FrameType.SETTINGS, 0, 0, []),
    ...frame(FrameType.HEADERS, 4, 1, fields.flatMap(literal)),
    ...frame(FrameType.DATA, 1, 1, [0, 0, 0, 0, 0]),
  ]);
}

/** Sends one call over a connection of its own, and reads how it ends. */
export async function bareCall(
  address: string,
  fields: readonly BareField[],
  options: DialOptions = {},
): Promise<BareAnswer> {
  return await exchange(await dialTcp(address, options), callBytes(fields));
}

/** Sends bytes, reads how a stream ends, and closes the connection. */
export async function exchange(
  socket: net.Socket,
  bytes: Uint8Array,
  streamId = 1,
): Promise<BareAnswer> {
  try {
    socket.on("error", () => {}); // It closes.
    socket.write(bytes);
    return await within("the answer to a bare call", readAnswer(socket, streamId));
  } finally {
    await drop(socket);
  }
}

async function readAnswer(socket: net.Socket, streamId: number): Promise<BareAnswer> {
  const decoder = new HpackDecoder({ maxListBytes: 64 << 10 });
  const found = new Map<string, string>();
  const answer = (status: BareAnswer["status"]): BareAnswer => {
    const message = percentDecode(found.get("grpc-message") ?? "");
    return { status, message, fields: found, text: JSON.stringify([...found]) };
  };
  let bytes = new Uint8Array();
  try {
    for await (const chunk of socket as AsyncIterable<Uint8Array>) {
      bytes = new Uint8Array(Buffer.concat([bytes, chunk]));
      while (bytes.length >= HEADERS_FRAME_BYTES) {
        const length = bytes[0]! << 16 | bytes[1]! << 8 | bytes[2]!;
        if (bytes.length < HEADERS_FRAME_BYTES + length) break;
        const [type, flags, id] = [bytes[3]!, bytes[4]!, readUint31(bytes, 5)];
        const payload = bytes.subarray(HEADERS_FRAME_BYTES, HEADERS_FRAME_BYTES + length);
        bytes = bytes.slice(HEADERS_FRAME_BYTES + length);
        if (type === FrameType.HEADERS) {
          // Also those of others: they change what the next ones mean.
          const list = decoder.decode(payload);
          if (id !== streamId) continue;
          for (const [name, value] of list) found.set(name, value);
          if (flags & 1) {
            const status = found.get("grpc-status");
            return answer(status === undefined ? "closed" : Number(status));
          }
        } else if (type === FrameType.DATA && id === streamId && (flags & 1)) {
          return answer("closed");
        } else if (type === FrameType.RST_STREAM && id === streamId) return answer("reset");
        else if (type === FrameType.GOAWAY) return answer("goaway");
      }
    }
  } catch {
    // Reset is a way to close too.
  }
  return answer("closed");
}
