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
  readonly bufferedBytes: number;
  /** More bytes are kept for them, or less. */
  keep(bytes: number): void;
  /** Where it is limited. */
  readonly rate: ByteRate | undefined;
  /** Calls that another worker of this process forwards: it has counted them. */
  readonly isForwarded: boolean;
}

/** An account whose operator has no other one. */
export class SoleAccount implements Account {
  readonly name: string;
  readonly rate: ByteRate | undefined;
  readonly isForwarded: boolean;
  readonly callsAt = new Map<string, number>();
  calls = 0;
  bufferedBytes = 0;

  constructor(name: string, rate: ByteRate | undefined, isForwarded = false) {
    this.name = name;
    this.rate = rate;
    this.isForwarded = isForwarded;
  }

  keep(bytes: number): void {
    this.bufferedBytes += bytes;
  }
}
