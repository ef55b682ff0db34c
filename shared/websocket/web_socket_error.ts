/**
 * A peer broke the WebSocket protocol.
 *
 * @module
 */
import type { CloseCode } from "./close_codes.ts";

/** Its message is a sentence that a close frame may carry. */
export class WebSocketError extends Error {
  override readonly name = "WebSocketError";
  /** What to close the WebSocket with. */
  readonly closeCode: CloseCode;

  constructor(closeCode: CloseCode, message: string) {
    super(message);
    this.closeCode = closeCode;
  }
}
