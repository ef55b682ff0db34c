/**
 * What may follow what on a connection from the hub to an upstream, as tables. Pure.
 *
 * States of a connection (RFC 9113 §3.4): `preface` until its 24 bytes are there, `settings` until the
 * first frame, `ready` from then on. In a header block nothing may come but CONTINUATION (§6.10).
 *
 * States of a stream (§5.1), as the upstream has them, with one of the gate's own:
 *
 * | state                | the hub                   | the upstream                                       |
 * | -------------------- | ------------------------- | -------------------------------------------------- |
 * | `idle`               | has not used it           | knows nothing of it                                |
 * | `open`               | has more to say           | has more to say                                    |
 * | `half-closed local`  | has ended its side        | has more to say                                    |
 * | `half-closed remote` | has more to say           | has ended its side                                 |
 * | `refused`            | may not know yet that it  | knows nothing of it any more, or never did: the    |
 * |                      | is over                   | gate answered, or one of both reset it             |
 * | `closed`             | knows that it is over     | knows that it is over                              |
 *
 * What is done: `forward` it; `judge` it, for it begins a call; `drop` it (the hub gets credit for
 * DATA as if it had been read); `close` the connection, because no HTTP/2 client sends that.
 *
 * @module
 */
import { FrameType } from "../../shared/http2/frames.ts";

/** The state of one stream between the hub and an upstream (RFC 9113 §5.1). */
export type StreamState =
  | "idle"
  | "open"
  | "half-closed local"
  | "half-closed remote"
  | "refused"
  | "closed";

/** What the gate does with a frame. */
export type Action = "judge" | "forward" | "drop" | "close";

const STATES: readonly StreamState[] = [
  "idle",
  "open",
  "half-closed local",
  "half-closed remote",
  "refused",
  "closed",
];

/** A row of the table below. */
function row(...actions: Action[]): ReadonlyMap<StreamState, Action> {
  return new Map(STATES.map((state, i) => [state, actions[i]!]));
}

const ALL_CLOSE = row("close", "close", "close", "close", "close", "close");
const ALL_DROP = row("drop", "drop", "drop", "drop", "drop", "drop");

/** Frame on a stream × its state → action. */
// deno-fmt-ignore -- a table
const ON_STREAM: ReadonlyMap<number, ReadonlyMap<StreamState, Action>> = new Map([
  //                                  idle     open       local      remote     refused  closed
  // §6.1, §5.1: DATA after END_STREAM is an error; what crosses a reset is not
  [FrameType.DATA,          row("close", "forward", "close",   "forward", "drop",  "drop")],
  // §8.1: after a request's first section come its trailers; §5.1.1: no id is used twice
  [FrameType.HEADERS,       row("judge", "forward", "close",   "forward", "drop",  "close")],
  // §5.3.2: deprecated, allowed in every state, and nobody needs it
  [FrameType.PRIORITY,      ALL_DROP],
  // §6.4: not on an idle stream
  [FrameType.RST_STREAM,    row("close", "forward", "forward", "forward", "drop",  "drop")],
  // §6.5, §6.7, §6.8: of the connection only
  [FrameType.SETTINGS,      ALL_CLOSE],
  [FrameType.PING,          ALL_CLOSE],
  [FrameType.GOAWAY,        ALL_CLOSE],
  // §8.4: a client cannot push
  [FrameType.PUSH_PROMISE,  ALL_CLOSE],
  // §6.9, §5.1: not on an idle stream
  [FrameType.WINDOW_UPDATE, row("close", "forward", "forward", "forward", "drop",  "drop")],
  // §6.10: only in a block, and there it is not asked about
  [FrameType.CONTINUATION,  ALL_CLOSE],
]);

/** Frame on stream 0 → action. */
const ON_CONNECTION: ReadonlyMap<number, Action> = new Map([
  [FrameType.DATA, "close"], // §6.1
  [FrameType.HEADERS, "close"], // §6.2
  [FrameType.PRIORITY, "close"], // §6.3
  [FrameType.RST_STREAM, "close"], // §6.4
  [FrameType.SETTINGS, "forward"], // §6.5
  [FrameType.PUSH_PROMISE, "close"], // §8.4
  [FrameType.PING, "forward"], // §6.7
  [FrameType.GOAWAY, "forward"], // §6.8
  [FrameType.WINDOW_UPDATE, "forward"], // §6.9
  [FrameType.CONTINUATION, "close"], // §6.10
]);

/** §6.3, §6.4, §6.7, §6.9: the payloads that have one length only. */
const LENGTHS: ReadonlyMap<number, number> = new Map([
  [FrameType.PRIORITY, 5],
  [FrameType.RST_STREAM, 4],
  [FrameType.PING, 8],
  [FrameType.WINDOW_UPDATE, 4],
]);

/**
 * What is done with a frame.
 *
 * @param state The stream's; means nothing for stream 0.
 */
export function actionFor(type: number, id: number, state: StreamState): Action {
  if (id === 0) return ON_CONNECTION.get(type) ?? "drop";
  // §5.5: an unknown type means nothing to anybody, unless both had agreed on it.
  const action = ON_STREAM.get(type)?.get(state) ?? "drop";
  // §5.1.1: a client's streams have odd ids, and an upstream's pushes are not asked for.
  return id % 2 === 0 && action !== "drop" ? "close" : action;
}

/** Whether a payload can have this length. */
export function isLength(type: number, length: number): boolean {
  if (type === FrameType.SETTINGS) return length % 6 === 0; // §6.5
  if (type === FrameType.GOAWAY) return length >= 8; // §6.8
  return (LENGTHS.get(type) ?? length) === length;
}
