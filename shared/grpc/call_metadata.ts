/**
 * Metadata of a call: header fields that gRPC hands on to programs.
 *
 * Names are lower-case. Values are text, or bytes for names that end in `-bin`, which travel as base64;
 * a name may have several.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 * @module
 */
import { encodeBase64 } from "../bytes/base64.ts";

export type MetadataEntry = string | Uint8Array;

/** A header field, whatever else is known of it. */
export type MetadataField = readonly [name: string, value: string, ...more: unknown[]];

const NAME = /^[0-9a-z_.-]+$/;
/** What a value of text may have; blanks at its ends would not arrive. */
const TEXT = /^[\x20-\x7e]*$/;

/**
 * The metadata of one call: text, or bytes for names that end in `-bin`. Keeps the order in which
 * names came first.
 */
export class CallMetadata {
  readonly #entries = new Map<string, MetadataEntry[]>();

  /** What a peer sent, without fields of HTTP and of gRPC itself. */
  static received(fields: Iterable<MetadataField>): CallMetadata {
    const metadata = new CallMetadata();
    for (const [name, value] of fields) {
      if (name.startsWith(":") || OWN_FIELDS.has(name)) continue;
      if (!name.endsWith("-bin")) metadata.#push(name, value);
      // Whoever is on the way may join values by commas, which base64 does not have.
      else for (const part of value.split(",")) metadata.#push(name, decode(part.trim()));
    }
    return metadata;
  }

  /**
   * Adds a value.
   *
   * @throws {TypeError} If name or value cannot travel.
   */
  add(name: string, value: MetadataEntry): void {
    const key = name.toLowerCase();
    if (!NAME.test(key)) throw new TypeError(`"${name}" is not a name of metadata`);
    const isBinary = key.endsWith("-bin");
    if (isBinary !== (typeof value !== "string")) {
      throw new TypeError(`The value of "${key}" must be ${isBinary ? "bytes" : "text"}`);
    }
    if (typeof value === "string" && !TEXT.test(value)) {
      throw new TypeError(`The value of "${key}" has characters that metadata cannot carry`);
    }
    this.#push(key, value);
  }

  /** Adds a value that a peer sent, whatever it is. */
  take(name: string, value: MetadataEntry): void {
    this.#push(name, value);
  }

  /** All values of a name, in the order in which they came. */
  get(name: string): readonly MetadataEntry[] {
    return this.#entries.get(name.toLowerCase()) ?? [];
  }

  keys(): string[] {
    return [...this.#entries.keys()];
  }

  /** As header fields, without those of gRPC itself. */
  fields(): [name: string, value: string][] {
    return [...this.#entries].filter(([name]) => !OWN_FIELDS.has(name)).flatMap(([name, values]) =>
      values.map((
        value,
      ): [string, string] => [name, typeof value === "string" ? value : encodeBase64(value)])
    );
  }

  #push(name: string, value: MetadataEntry): void {
    const values = this.#entries.get(name);
    if (values === undefined) this.#entries.set(name, [value]);
    else values.push(value);
  }
}

/** Fields that say how the call is carried, not what it is about. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "content-type",
  "grpc-accept-encoding",
  "grpc-encoding",
  "grpc-message",
  "grpc-status",
]);

/** Bytes of base64, padded or not; what is none reads as no bytes: a status must not be lost to it. */
function decode(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}
