/**
 * WebSocket close codes: RFC 6455 §7.4 and the registry that it opened.
 *
 * @see https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number
 * @module
 */

/** Name → number of each close code that this project sends or tells apart. */
export const CloseCode = {
  /** The purpose of the connection is fulfilled. */
  NORMAL: 1000,
  /** The endpoint goes down. */
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  /** A kind of message that the endpoint does not take: here every text message. */
  UNSUPPORTED_DATA: 1003,
  /** Never sent: a close frame came without a code. */
  NO_STATUS: 1005,
  /** Never sent: the connection ended without a close frame. */
  ABNORMAL: 1006,
  /** Text that is no UTF-8. */
  INVALID_PAYLOAD: 1007,
  /** The peer does something it may not, for which there is no other code. */
  POLICY_VIOLATION: 1008,
  MESSAGE_TOO_BIG: 1009,
  INTERNAL_ERROR: 1011,
  /** The endpoint restarts: come back, but not all at once. */
  SERVICE_RESTART: 1012,
  TRY_AGAIN_LATER: 1013,
} as const;

/** A close code with a name. */
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/**
 * The codes that may stand in a close frame. 1004–1006 and 1015 are reserved (§7.4.1),
 * 1016–2999 are for extensions of the protocol and not given out (§7.4.2).
 */
const ALLOWED: readonly (readonly [first: number, last: number])[] = [
  [1000, 1003],
  [1007, 1014],
  [3000, 4999],
];

/** Whether a close frame may carry this code. */
export function isSendable(code: number): boolean {
  return ALLOWED.some(([first, last]) => code >= first && code <= last);
}
