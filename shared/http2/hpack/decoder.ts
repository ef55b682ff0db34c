/**
 * The HPACK decoder (RFC 7541 §3).
 *
 * A block is a sequence of representations (representation.ts): each gives a field, or changes the
 * maximum size of the dynamic table. A literal with index 0 brings its name as a string; its value
 * is always one.
 *
 * @module
 */
import type { Field, HeaderList } from "../header_list.ts";
import { BlockMemo } from "./block_memo.ts";
import { DynamicTable, fieldBytes } from "./dynamic_table.ts";
import { HeaderListTooLargeError, HpackError } from "./errors.ts";
import { type Cursor, readInteger } from "./integer.ts";
import {
  INDEXED,
  LITERAL,
  LITERAL_ADDED,
  LITERAL_NEVER_ADDED,
  TABLE_SIZE,
} from "./representation.ts";
import { STATIC_TABLE } from "./static_table.ts";
import { readString, skipString } from "./string_literal.ts";

/** SETTINGS_HEADER_TABLE_SIZE until it is set (RFC 9113 §6.5.2). */
export const INITIAL_TABLE_BYTES = 4096;

export interface HpackDecoderOptions {
  /**
   * The largest list that is accepted, in bytes as RFC 9113 §6.5.2 counts them: name, value and 32
   * for each field. SETTINGS_MAX_HEADER_LIST_SIZE tells it to the peer.
   */
  readonly maxListBytes: number;
  /**
   * The largest dynamic table that the peer may ask for: what our SETTINGS_HEADER_TABLE_SIZE says.
   * Not less than the default: the peer may use that much before it has seen our settings.
   *
   * @default {4096}
   */
  readonly maxTableBytes?: number;
}

/**
 * Decodes the header blocks of one direction of one connection, in the order in which they came.
 *
 * - Names and values are given as they were sent; rules for their characters are HTTP's.
 * - A block that keeps coming, with nothing added to the dynamic table meanwhile, gives the *same*
 *   list object from its third time on: what a caller derives from a list can be kept with it.
 * - Work and memory are linear in the bytes of the block, whatever its instructions say.
 * - After an {@linkcode HpackError} the connection is lost, and so is the decoder.
 *
 * @example A relay that encodes a repeated list once
 * ```ts
 * import { HpackDecoder } from "./decoder.ts";
 * import { encodeHeaderList } from "./encoder.ts";
 * import type { HeaderList } from "../header_list.ts";
 *
 * const decoder = new HpackDecoder({ maxListBytes: 16_384 });
 * const encoded = new WeakMap<HeaderList, Uint8Array>();
 *
 * function forward(block: Uint8Array): Uint8Array {
 *   const fields = decoder.decode(block);
 *   if (!decoder.repeated) return encodeHeaderList(fields);
 *   let bytes = encoded.get(fields);
 *   if (bytes === undefined) encoded.set(fields, bytes = encodeHeaderList(fields));
 *   return bytes;
 * }
 *
 * forward(Uint8Array.of(0x83)); // :method POST
 * ```
 */
export class HpackDecoder {
  readonly #maxListBytes: number;
  readonly #maxTableBytes: number;
  readonly #table = new DynamicTable(INITIAL_TABLE_BYTES);
  readonly #memo = new BlockMemo();
  #repeated = false;

  /** @throws {RangeError} If `maxTableBytes` is less than the default. */
  constructor(options: HpackDecoderOptions) {
    const { maxListBytes, maxTableBytes = INITIAL_TABLE_BYTES } = options;
    if (maxTableBytes < INITIAL_TABLE_BYTES) {
      throw new RangeError(
        `Cannot make HPACK decoder: maxTableBytes is ${maxTableBytes}, must be at least ${INITIAL_TABLE_BYTES}`,
      );
    }
    this.#maxListBytes = maxListBytes;
    this.#maxTableBytes = maxTableBytes;
  }

  /**
   * Whether the last `decode` gave a list that an earlier one had given. Only then is it worth
   * while to look for, or to keep, what was derived from the list.
   */
  get repeated(): boolean {
    return this.#repeated;
  }

  /** The dynamic table, the newest field first. */
  get table(): HeaderList {
    return Array.from({ length: this.#table.length }, (_, index) => this.#table.get(index)!);
  }

  /** Size of the dynamic table in bytes (RFC 7541 §4.1). */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /**
   * Decodes one complete block, HEADERS and CONTINUATION joined. Keeps no reference to it.
   *
   * @throws {HpackError} If it cannot be decoded.
   * @throws {HeaderListTooLargeError} If its list is larger than `maxListBytes`; the block was
   * processed to its end.
   */
  decode(block: Uint8Array): HeaderList {
    const version = this.#table.version;
    const known = this.#memo.find(block, version);
    this.#repeated = known !== undefined;
    if (known !== undefined) return known;

    const fields: Field[] = [];
    let room = this.#maxListBytes;
    let atStart = true;
    const cursor: Cursor = { bytes: block, pos: 0 };
    while (cursor.pos < block.length) {
      const first = block[cursor.pos]!;
      let field: Field;
      if (first >= INDEXED.pattern) {
        field = this.#lookUp(cursor, INDEXED.mask);
      } else if (first >= LITERAL_ADDED.pattern) {
        field = [this.#name(cursor, LITERAL_ADDED.mask), readString(cursor)];
        this.#table.add(field);
      } else if (first >= TABLE_SIZE.pattern) {
        this.#resize(cursor, atStart);
        continue;
      } else if (room < 0) {
        // Only the table could still need it, and this one is not for the table.
        this.#skipLiteral(cursor);
        continue;
      } else if (first >= LITERAL_NEVER_ADDED.pattern) {
        field = [this.#name(cursor, LITERAL.mask), readString(cursor), true];
      } else {
        field = [this.#name(cursor, LITERAL.mask), readString(cursor)];
      }
      atStart = false;
      room -= fieldBytes(field);
      if (room >= 0) fields.push(field);
    }
    if (room < 0) throw new HeaderListTooLargeError(this.#maxListBytes);
    if (this.#table.version === version) this.#memo.offer({ block, version, fields });
    return fields;
  }

  /** The field that the index at the cursor stands for (RFC 7541 §2.3.3). */
  #lookUp(cursor: Cursor, mask: number): Field {
    const at = cursor.pos;
    const index = readInteger(cursor, mask);
    const field = index <= STATIC_TABLE.length
      ? STATIC_TABLE[index - 1]
      : this.#table.get(index - STATIC_TABLE.length - 1);
    if (field === undefined) {
      const last = STATIC_TABLE.length + this.#table.length;
      throw new HpackError(`index ${index} is not in the tables, which end at ${last}`, at);
    }
    return field;
  }

  /** The name of the literal at the cursor: by its index, or as a string if that is 0. */
  #name(cursor: Cursor, mask: number): string {
    if ((cursor.bytes[cursor.pos]! & mask) !== 0) return this.#lookUp(cursor, mask)[0];
    cursor.pos++;
    return readString(cursor);
  }

  #skipLiteral(cursor: Cursor): void {
    if ((cursor.bytes[cursor.pos]! & LITERAL.mask) !== 0) this.#lookUp(cursor, LITERAL.mask);
    else {
      cursor.pos++;
      skipString(cursor);
    }
    skipString(cursor);
  }

  #resize(cursor: Cursor, atStart: boolean): void {
    const at = cursor.pos;
    const maxBytes = readInteger(cursor, TABLE_SIZE.mask);
    if (!atStart) throw new HpackError("a table size update follows a field", at);
    if (maxBytes > this.#maxTableBytes) {
      const limit = this.#maxTableBytes;
      throw new HpackError(`a table size update to ${maxBytes} is over the limit of ${limit}`, at);
    }
    this.#table.resize(maxBytes);
  }
}
