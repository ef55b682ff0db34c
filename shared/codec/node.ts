/**
 * A document as it was read: a JSON value that remembers where each part stands. JSON, YAML and
 * XML are three ways to write it; `message_reader.ts` makes a message of it.
 *
 * Numbers keep their text, so that nothing is lost before it is known which type they have.
 * An object may have the same key twice: whoever reads it knows what a key means and refuses.
 *
 * @module
 */
import type { Trap } from "./yaml_trap.ts";

export type Node =
  | { readonly kind: "object"; readonly at: number; readonly entries: readonly NodeEntry[] }
  | { readonly kind: "list"; readonly at: number; readonly items: readonly Node[] }
  | { readonly kind: "string"; readonly at: number; readonly text: string; readonly trap?: Trap }
  /** The text is a JSON number, or `NaN`, `Infinity`, `-Infinity`. */
  | { readonly kind: "number"; readonly at: number; readonly text: string; readonly trap?: Trap }
  | { readonly kind: "boolean"; readonly at: number; readonly value: boolean }
  | { readonly kind: "null"; readonly at: number };

export interface NodeEntry {
  readonly key: string;
  /** Offset of the key. */
  readonly at: number;
  readonly value: Node;
}

/** Longer strings are cut where an error shows them. */
export const SHOWN_LENGTH = 60;

/** A string as an error shows it. */
export function quoteText(text: string): string {
  return JSON.stringify(text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text);
}

/** What an error says was found. */
export function found(node: Node): string {
  switch (node.kind) {
    case "object":
      return "an object";
    case "list":
      return "a list";
    case "string":
      return quoteText(node.text);
    case "number":
      return `the number ${node.text.slice(0, SHOWN_LENGTH)}`;
    case "boolean":
      return String(node.value);
    case "null":
      return "null";
  }
}

/** More names than this are not listed. */
const MAX_LISTED = 20;

/** Names as an error lists them. */
export function listed(names: readonly string[]): string {
  return names.slice(0, MAX_LISTED).join(", ") + (names.length > MAX_LISTED ? ", …" : "");
}
