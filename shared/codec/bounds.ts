/**
 * What a document may be at most. All are far above what a request needs and far below what
 * would hurt the process.
 *
 * @module
 */

/** Bytes of a text with all its documents. */
export const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

/**
 * Objects and lists within each other, and messages within each other: protobufjs, like protoc's
 * C++ and Java, refuses to write and to read more than 100 messages deep.
 */
export const MAX_DEPTH = 100;

/** Documents in one text. */
export const MAX_DOCUMENTS = 1_000_000;

/** Values that the aliases of one YAML document may stand for: stops the "billion laughs". */
export const MAX_ALIASED_VALUES = 10_000;
