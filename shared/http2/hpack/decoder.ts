/**
 * The HPACK decoder (RFC 7541 §3 and §6).
 *
 *     1iiiiiii   indexed field                               §6.1
 *     01iiiiii   literal, added to the dynamic table         §6.2.1
 *     001sssss   dynamic table size update                   §6.3
 *     0001iiii   literal, never to be added to any table     §6.2.3
 *     0000iiii   literal, not added to the dynamic table     §6.2.2
 *
 * A literal with index 0 brings its name as a string; its value is always one.
 *
 * @module
 */
import type { Field, HeaderList } from "../header_list.ts";
import { BlockMemo } from "./block_memo.ts";
import { DynamicTable, fieldBytes } from "./dynamic_table.ts";
import { HeaderListTooLargeError, HpackError } from "./errors.ts";
import { type Cursor, readInteger } from "./integer.ts";
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
 * - A block that repeats an earlier one, with nothing added to the dynamic table since, gives the
 *   *same* list object: what a caller derives from a list can be kept with it.
 * - Work and memory are linear in the bytes of the block, whatever its instructions say.
 * - After an {@linkcode HpackError} the connection is lost, and so is the decoder.
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
      if (first >= 0x80) {
        field = this.#lookUp(cursor, 0x7f);
      } else if (first >= 0x40) {
        field = [this.#name(cursor, 0x3f), readString(cursor)];
        this.#table.add(field);
      } else if (first >= 0x20) {
        this.#resize(cursor, atStart);
        continue;
      } else if (room < 0) {
        this.#skipLiteral(cursor, 0x0f);
        continue;
      } else if (first >= 0x10) {
        field = [this.#name(cursor, 0x0f), readString(cursor), true];
      } else {
        field = [this.#name(cursor, 0x0f), readString(cursor)];
      }
      atStart = false;
      room -= fieldBytes(field);
      if (room >= 0) fields.push(field);
    }
    if (room < 0) throw new HeaderListTooLargeError(this.#maxListBytes);
    if (this.#table.version === version) this.#memo.remember({ block, version, fields });
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

  /** The name of the literal at the cursor, by index or as a string. */
  #name(cursor: Cursor, mask: number): string {
    if ((cursor.bytes[cursor.pos]! & mask) !== 0) return this.#lookUp(cursor, mask)[0];
    cursor.pos++;
    return readString(cursor);
  }

  #skipLiteral(cursor: Cursor, mask: number): void {
    if ((cursor.bytes[cursor.pos]! & mask) !== 0) this.#lookUp(cursor, mask);
    else {
      cursor.pos++;
      skipString(cursor);
    }
    skipString(cursor);
  }

  #resize(cursor: Cursor, atStart: boolean): void {
    const at = cursor.pos;
    const maxBytes = readInteger(cursor, 0x1f);
    if (!atStart) throw new HpackError("a table size update follows a field", at);
    if (maxBytes > this.#maxTableBytes) {
      const limit = this.#maxTableBytes;
      throw new HpackError(`a table size update to ${maxBytes} is over the limit of ${limit}`, at);
    }
    this.#table.resize(maxBytes);
  }
}
