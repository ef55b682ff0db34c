/**
 * What tests of the gate share: frames as bytes, and a gate in front of nobody.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { RpcError } from "../../../shared/grpc/rpc_error.ts";
import { Flag, FrameType, PREFACE, readUint31 } from "../../../shared/http2/frames.ts";
import type { HeaderList } from "../../../shared/http2/header_list.ts";
import { HpackDecoder } from "../../../shared/http2/hpack/decoder.ts";
import { encodeHeaderList } from "../../../shared/http2/hpack/encoder.ts";
import { policyJudge } from "../call_judge.ts";
import { forbidden } from "../errors.ts";
import type { Guard, Kept } from "../guard.ts";
import { UpstreamGate } from "../upstream_gate.ts";
import type { VoucherReader } from "../voucher_reader.ts";

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

export function bytesOf({ type, flags, id, payload }: Frame): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

export function framesOf(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  for (let rest = Buffer.from(bytes); rest.length > 0;) {
    const end = 9 + rest.readUIntBE(0, 3);
    frames.push({
      type: rest[3]!,
      flags: rest[4]!,
      id: readUint31(rest, 5),
      payload: rest.subarray(9, end),
    });
    rest = rest.subarray(end);
  }
  return frames;
}

export function fieldsOf({ payload }: Frame): HeaderList {
  return new HpackDecoder({ maxListBytes: 64 << 10 }).decode(payload);
}

/** HEADERS of a call, by its block. */
export function call(id: number, block: Uint8Array, flags: number = Flag.END_HEADERS): Buffer {
  return bytesOf({ type: FrameType.HEADERS, flags, id, payload: Buffer.from(block) });
}

export function data(id: number, text: string, flags = 0): Buffer {
  return bytesOf({ type: FrameType.DATA, flags, id, payload: Buffer.from(text) });
}

/** A call of that path by that operator, whose voucher is its name. */
export function head(path: string, operator: string): HeaderList {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "edge-1"],
    ["x-hub-operator", "forged"],
    ["x-hub-voucher", operator],
  ];
}

/** A gate in front of nobody: alice may call /a.B/Ok. */
export class Bench {
  readonly toHub: Uint8Array[] = [];
  readonly pushed: Uint8Array[] = [];
  readonly kept = new Set<Kept>();
  broken = "";
  allowed = true;
  readonly gate: UpstreamGate;

  constructor() {
    const guard: Pick<Guard, "refusal" | "keep"> = {
      refusal: (caller, called) =>
        this.allowed && caller.operator === "alice" && called.path === "/a.B/Ok"
          ? undefined
          : forbidden(caller, called),
      keep: (kept) => {
        this.kept.add(kept);
        return { [Symbol.dispose]: () => this.kept.delete(kept) };
      },
    };
    const vouchers: Pick<VoucherReader, "read"> = {
      read: (text) =>
        text === undefined
          ? new RpcError(16, "none")
          : { operator: text, how: "token", expiresAtMs: Infinity },
    };
    this.gate = new UpstreamGate({
      judge: policyJudge(
        { guard: guard as Guard, vouchers: vouchers as VoucherReader },
        "payments",
      ),
      toHub: (frame) => this.toHub.push(frame.slice()),
      toUpstream: (frame) => this.pushed.push(frame.slice()),
      onBroken: (why) => this.broken = why,
    });
  }

  pass(...pieces: Uint8Array[]): Buffer {
    // Views are good for as long as the input is: it is copied as a socket would take it.
    return Buffer.concat(pieces.flatMap((piece) => this.gate.pass(piece.slice())));
  }
}

/** What a client sends first. */
export const SETTINGS = bytesOf({
  type: FrameType.SETTINGS,
  flags: 0,
  id: 0,
  payload: Buffer.alloc(0),
});
export const GOOD = encodeHeaderList(head("/a.B/Ok", "alice"));
export const BAD = encodeHeaderList(head("/a.B/No", "alice"));

/** The preface of a connection, and the first frame. */
export const OPENING = Buffer.concat([PREFACE, SETTINGS]);
