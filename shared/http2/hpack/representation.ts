/**
 * The five things that a header block is made of (RFC 7541 §6): the pattern that the first byte
 * begins with, and the mask of the bits that are left for an integer.
 *
 * Patterns are in falling order: the first one that is not over the byte is its own.
 *
 * @module
 */

/** §6.1: the field at an index of the tables. */
export const INDEXED = { pattern: 0b1000_0000, mask: 0b0111_1111 } as const;
/** §6.2.1: a literal, which is added to the dynamic table. */
export const LITERAL_ADDED = { pattern: 0b0100_0000, mask: 0b0011_1111 } as const;
/** §6.3: a new maximum size of the dynamic table. */
export const TABLE_SIZE = { pattern: 0b0010_0000, mask: 0b0001_1111 } as const;
/** §6.2.3: a literal that no hop may add to a table. */
export const LITERAL_NEVER_ADDED = { pattern: 0b0001_0000, mask: 0b0000_1111 } as const;
/** §6.2.2: a literal that is not added to the table. */
export const LITERAL = { pattern: 0b0000_0000, mask: 0b0000_1111 } as const;
