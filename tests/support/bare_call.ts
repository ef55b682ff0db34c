/**
 * One call as its bytes: fields in whatever spelling, order and number a test wants, which no
 * library would send.
 *
 * @module
 */
import { PREFACE } from "../../shared/http2/frames.ts";
import { FrameType, readUint31 } from "../../shared/http2/frames.ts";
import { HpackDecoder } from "../../shared/http2/hpack/decoder.ts";
import { percentDecode } from "../../shared/grpc/percent.ts";
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
  { path = "/echo.v1.Echo/Unary", authority = "hub.test", more = [] as readonly BareField[] },
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

/** Sends one call with an empty message over a connection of its own, and reads how it ends. */
export async function bareCall(
  address: string,
  fields: readonly BareField[],
): Promise<BareAnswer> {
  const { hostname, port } = new URL(`tcp://${address}`);
  using conn = await Deno.connect({
    hostname: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port),
  });
  const block = fields.flatMap(literal);
  await conn.write(
    new Uint8Array([
      ...PREFACE,
      ...frame(FrameType.SETTINGS, 0, 0, []),
      ...frame(FrameType.HEADERS, 4, 1, block),
      ...frame(FrameType.DATA, 1, 1, [0, 0, 0, 0, 0]),
    ]),
  );
  return await within("the answer to a bare call", readAnswer(conn));
}

async function readAnswer(conn: Deno.Conn): Promise<BareAnswer> {
  const decoder = new HpackDecoder({ maxListBytes: 64 << 10 });
  const found = new Map<string, string>();
  const answer = (status: BareAnswer["status"]): BareAnswer => {
    const message = percentDecode(found.get("grpc-message") ?? "");
    return { status, message, fields: found, text: JSON.stringify([...found]) };
  };
  let bytes = new Uint8Array();
  const buffer = new Uint8Array(16 << 10);
  for (;;) {
    while (bytes.length >= HEADERS_FRAME_BYTES) {
      const length = bytes[0]! << 16 | bytes[1]! << 8 | bytes[2]!;
      if (bytes.length < HEADERS_FRAME_BYTES + length) break;
      const [type, flags, id] = [bytes[3]!, bytes[4]!, readUint31(bytes, 5)];
      const payload = bytes.subarray(HEADERS_FRAME_BYTES, HEADERS_FRAME_BYTES + length);
      bytes = bytes.slice(HEADERS_FRAME_BYTES + length);
      if (type === FrameType.HEADERS && id === 1) {
        for (const [name, value] of decoder.decode(payload)) found.set(name, value);
        if (flags & 1) {
          const status = found.get("grpc-status");
          return answer(status === undefined ? "closed" : Number(status));
        }
      } else if (type === FrameType.RST_STREAM && id === 1) return answer("reset");
      else if (type === FrameType.GOAWAY) return answer("goaway");
    }
    const n = await conn.read(buffer).catch(() => null);
    if (n === null) return answer("closed");
    const longer = new Uint8Array(bytes.length + n);
    longer.set(bytes);
    longer.set(buffer.subarray(0, n), bytes.length);
    bytes = longer;
  }
}
