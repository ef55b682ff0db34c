/**
 * A ProtoJSON value that is to be written. Objects are maps, which keep the order of their keys
 * and have no prototype; `-0` is a number of its own.
 *
 * @module
 */

export type Value = null | boolean | number | string | readonly Value[] | ValueMap;
export type ValueMap = ReadonlyMap<string, Value>;

/** The comment on the entry at this path, or none; the path is made of field names. */
export type CommentOf = (path: readonly string[]) => string | undefined;
