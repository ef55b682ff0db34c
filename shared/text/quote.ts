/**
 * What somebody sent, in a message.
 *
 * @module
 */
import { safeJson } from "./safe_json.ts";

/** How much of a value a message shows. */
const MAX_SHOWN = 64;

/** A value that a peer sent, short enough and harmless enough for a message. */
export function quote(value: string): string {
  const shown = value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}…` : value;
  return safeJson(shown);
}
