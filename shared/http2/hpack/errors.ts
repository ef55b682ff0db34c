/**
 * The two ways in which a header block can fail.
 *
 * @module
 */

/**
 * A header block that cannot be decoded. The dynamic tables of both ends no longer agree, so this
 * is a connection error of type COMPRESSION_ERROR (RFC 9113 §4.3).
 */
export class HpackError extends Error {
  override readonly name = "HpackError";
  /** Offset in the header block of what could not be decoded. */
  readonly at: number;

  constructor(what: string, at: number) {
    super(`Cannot decode header block: ${what} at byte ${at}`);
    this.at = at;
  }
}

/**
 * A well-formed block whose list is larger than we are willing to hold. The block was processed to
 * its end and the dynamic table is in sync: only the stream is lost, not the connection.
 */
export class HeaderListTooLargeError extends Error {
  override readonly name = "HeaderListTooLargeError";
  /** The limit in bytes, as RFC 9113 §6.5.2 counts them. */
  readonly maxListBytes: number;

  constructor(maxListBytes: number) {
    super(`Cannot accept header list: it is larger than ${maxListBytes} bytes`);
    this.maxListBytes = maxListBytes;
  }
}
