/**
 * The name that this server is to have: given, or made of the machine's.
 *
 * @module
 */
import { UsageError } from "../../shared/cli/usage_error.ts";
import {
  isNamePart,
  MAX_NAME_LENGTH,
  NAME_PART_RULE,
} from "../../shared/registration/server_name.ts";

/**
 * Checks a name that was given.
 *
 * @throws {UsageError} That shows one that would be valid.
 */
export function parseServerName(text: string): string {
  if (isNamePart(text)) return text;
  const near = toServerName(text);
  throw new UsageError(`"${text}" is not a server name`, {
    hint: `A name is ${NAME_PART_RULE}${near === "" ? "" : `, such as ${near}`}`,
  });
}

/** The nearest valid name: lower case, other characters become `-`. Empty if nothing is left. */
export function toServerName(text: string): string {
  return text.toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, MAX_NAME_LENGTH);
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
