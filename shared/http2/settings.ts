/**
 * SETTINGS: what each end tells the other about itself (RFC 9113 §6.5).
 *
 * @module
 */
import {
  DEFAULT_MAX_FRAME_BYTES,
  DEFAULT_WINDOW,
  ErrorCode,
  Http2Error,
  MAX_WINDOW,
  readUint32,
  Setting,
  writeUint32,
} from "./frames.ts";

const ENTRY_BYTES = 6;

/** A peer's settings, as far as they bind us. */
export interface PeerSettings {
  /** Streams that we may have open at once. */
  maxConcurrentStreams: number;
  /** What each new stream lets us send. */
  initialWindow: number;
  /** The largest payload that we may send in one frame. */
  maxFrameBytes: number;
  /** The largest header list that it takes, in bytes as RFC 9113 §6.5.2 counts them. */
  maxHeaderListBytes: number;
  /** Whether its first SETTINGS have come. */
  told: boolean;
}

/**
 * What a peer is taken to accept as a header list before it has said so. RFC 9113 sets no limit then,
 * but a peer with the smallest limit in use, that of gRPC's C core, may end the connection for more.
 */
const UNTOLD_HEADER_LIST_BYTES = 8 << 10;

/** What holds until the peer's first SETTINGS (RFC 9113 §6.5.2). */
export function defaultPeerSettings(): PeerSettings {
  return {
    maxConcurrentStreams: Infinity,
    initialWindow: DEFAULT_WINDOW,
    maxFrameBytes: DEFAULT_MAX_FRAME_BYTES,
    maxHeaderListBytes: UNTOLD_HEADER_LIST_BYTES,
    told: false,
  };
}

/** Encodes the payload of a SETTINGS frame. */
export function encodeSettings(
  entries: readonly (readonly [id: number, value: number])[],
): Uint8Array {
  const payload = new Uint8Array(entries.length * ENTRY_BYTES);
  entries.forEach(([id, value], i) => {
    payload[i * ENTRY_BYTES] = id >>> 8;
    payload[i * ENTRY_BYTES + 1] = id;
    writeUint32(payload, i * ENTRY_BYTES + 2, value);
  });
  return payload;
}

/**
 * Applies a SETTINGS payload in the order of its entries; unknown ones are ignored.
 *
 * @throws {Http2Error} As RFC 9113 §6.5 and §6.5.2 demand.
 */
export function applySettings(payload: Uint8Array, peer: PeerSettings): void {
  if (payload.length % ENTRY_BYTES !== 0) {
    throw new Http2Error(ErrorCode.FRAME_SIZE_ERROR, `SETTINGS of ${payload.length} bytes`);
  }
  if (!peer.told) {
    peer.told = true;
    peer.maxHeaderListBytes = Infinity;
  }
  for (let at = 0; at < payload.length; at += ENTRY_BYTES) {
    const id = payload[at]! << 8 | payload[at + 1]!;
    const value = readUint32(payload, at + 2);
    if (id === Setting.ENABLE_PUSH && value > 1) {
      throw new Http2Error(ErrorCode.PROTOCOL_ERROR, `ENABLE_PUSH of ${value}`);
    } else if (id === Setting.MAX_CONCURRENT_STREAMS) {
      peer.maxConcurrentStreams = value;
    } else if (id === Setting.INITIAL_WINDOW_SIZE) {
      if (value > MAX_WINDOW) {
        throw new Http2Error(ErrorCode.FLOW_CONTROL_ERROR, `INITIAL_WINDOW_SIZE of ${value}`);
      }
      peer.initialWindow = value;
    } else if (id === Setting.MAX_FRAME_SIZE) {
      if (value < DEFAULT_MAX_FRAME_BYTES || value > 2 ** 24 - 1) {
        throw new Http2Error(ErrorCode.PROTOCOL_ERROR, `MAX_FRAME_SIZE of ${value}`);
      }
      peer.maxFrameBytes = value;
    } else if (id === Setting.MAX_HEADER_LIST_SIZE) {
      peer.maxHeaderListBytes = value;
    }
  }
}
