/**
 * 64-bit integers as protobufjs holds them. Its types say less of them than is true.
 *
 * @module
 */
import protobuf from "protobufjs";

export interface Long {
  isZero(): boolean;
  toString(): string;
}

interface LongClass {
  fromString(text: string, unsigned: boolean): Long;
  isLong(value: unknown): value is Long;
}

export const Long = protobuf.util.Long as unknown as LongClass;
