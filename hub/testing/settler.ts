/**
 * Lets bytes move between a caller of a test and the hub's end of its connection.
 *
 * @module
 */
import type { Recorder } from "../../shared/http2/testing/recorder.ts";
import { type FakeSocket, turns } from "./socket.ts";

/**
 * @param more What else moves bytes in each turn. @default nothing
 * @returns To be called until nothing moves any more: it resolves then.
 */
export function settler(
  peer: Recorder,
  socket: FakeSocket,
  more: () => void = () => {},
): () => Promise<void> {
  let read = 0;
  return async () => {
    for (let moved = true; moved;) {
      const bytes = peer.take();
      if (bytes.length > 0) socket.feed(bytes);
      await turns();
      moved = socket.written.length > read || bytes.length > 0;
      for (; read < socket.written.length; read++) peer.connection.receive(socket.written[read]!);
      more();
    }
  };
}
