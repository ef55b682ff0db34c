/**
 * Names of servers: 1–128 of `a-z 0-9 . _ -`, docs/protocol.md, "Registration".
 *
 * @module
 */
import { UsageError } from "../shared/cli/usage_error.ts";

const MAX_LENGTH = 128;
const NAME = /^[a-z0-9._-]{1,128}$/;

/**
 * Checks a name that was given.
 *
 * @throws {UsageError} That shows one that would be valid.
 */
export function parseServerName(text: string): string {
  if (NAME.test(text)) return text;
  const near = toServerName(text);
  throw new UsageError(`"${text}" is not a server name`, {
    hint: `A name is 1 to ${MAX_LENGTH} of a-z 0-9 . _ -${near === "" ? "" : `, such as ${near}`}`,
  });
}

/** The nearest valid name: lower case, other characters become `-`. Empty if nothing is left. */
export function toServerName(text: string): string {
  return text.toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, MAX_LENGTH);
}

/**
 * The name when none is given: the machine's.
 *
 * @throws {UsageError} If the machine has none that can be used.
 */
export function defaultServerName(hostname: string): string {
  const name = toServerName(hostname);
  if (name !== "" && name !== "localhost") return name;
  throw new UsageError(`This machine's name, "${hostname}", cannot be used as the server's name`, {
    hint: "Give a name: gserver serve edge-1",
  });
}
