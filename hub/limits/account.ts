/**
 * What one operator or one server takes of the hub now.
 *
 * @module
 */
import type { ByteRate } from "./byte_rate.ts";

/** What one operator has of the hub. */
export interface Account {
  readonly name: string;
  /** Calls that go on, or whose answer waits for it to read. */
  calls: number;
  /** Those that go on, at each server. */
  readonly callsAt: Map<string, number>;
  /** What is kept for them; counted where it is limited. */
  bufferedBytes: number;
  /** Where it is limited. */
  readonly rate: ByteRate | undefined;
}
