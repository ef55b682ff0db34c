/**
 * What a connection tells its owner; `StreamEvents` tell what happens on a stream.
 *
 * @module
 */
import type { Http2Error } from "./frames.ts";
import type { HeaderList } from "./header_list.ts";
import type { Stream, StreamEvents } from "./stream.ts";

/** What happens to the connection as a whole. */
export interface ConnectionEvents {
  /**
   * There are bytes to `take()`, where there were none, or none that were urgent.
   *
   * @param urgent False: they may wait a little for others to leave with.
   */
  onOutput(urgent: boolean): void;
  /**
   * Server role: a call begins. The answer says who hears of its stream. `fields` is `undefined`
   * when they were over `maxHeaderListBytes`: answer, nothing else is known.
   */
  onRequest(stream: Stream, fields: HeaderList | undefined, endStream: boolean): StreamEvents;
  /** The peer will take no more streams; those above `lastId` were reset with `REFUSED_STREAM`. */
  onGoaway(lastId: number, code: number, debug: string): void;
  /** The peer answered a `ping()`. */
  onPong(): void;
  /** Connection error: a GOAWAY is in the output, nothing more is received. */
  onError(error: Http2Error): void;
  /**
   * Whoever hears of a stream threw, which is no peer's fault. The stream was reset, and all
   * others go on. Must not throw.
   */
  onFault(error: unknown): void;
}
