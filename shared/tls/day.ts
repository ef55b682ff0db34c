/**
 * What the validity of certificates and tokens is counted in. In a file of its own: whoever counts days alone must
 * not load what makes certificates (`x509.ts`), a fifth of a second of a processor at each start.
 *
 * @module
 */

/** A day in milliseconds. */
export const DAY_MS = 24 * 60 * 60 * 1000;
