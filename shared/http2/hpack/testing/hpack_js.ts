/**
 * hpack.js with the shape of our own codec: the independent implementation that tests and benches
 * compare with.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import hpack from "hpack.js";
import type { HeaderList } from "../../header_list.ts";

/** How a field is to be encoded, beside its name and value. */
export interface TheirField {
  readonly name: string;
  readonly value: string;
  readonly neverIndex?: boolean;
  /** @default {true} */
  readonly incremental?: boolean;
  /** @default {true} */
  readonly huffman?: boolean;
}

interface Compressor {
  write(fields: readonly TheirField[]): void;
  read(): Buffer | null;
  /** Writes size updates to 0 and back, which empty the table. */
  reset(): void;
}

interface Decompressor {
  write(block: Uint8Array): void;
  execute(): void;
  read(): TheirField | null;
}

const TABLE = { table: { maxSize: 4096 } };

export class TheirEncoder {
  readonly #compressor: Compressor = hpack.compressor.create(TABLE);

  /** Encodes one block; `emptyTable` puts size updates in front of it. */
  encode(
    fields: readonly TheirField[],
    options: { readonly emptyTable?: boolean } = {},
  ): Uint8Array {
    if (options.emptyTable) this.#compressor.reset();
    this.#compressor.write(fields);
    return new Uint8Array(this.#compressor.read() ?? []);
  }

  encodeList(fields: HeaderList): Uint8Array {
    return this.encode(fields.map(([name, value]) => ({ name, value })));
  }
}

export class TheirDecoder {
  readonly #decompressor: Decompressor = hpack.decompressor.create(TABLE);

  decode(block: Uint8Array): TheirField[] {
    this.#decompressor.write(block);
    this.#decompressor.execute();
    const fields: TheirField[] = [];
    for (let field; (field = this.#decompressor.read()) !== null;) fields.push(field);
    return fields;
  }
}
