/**
 * Labels of a server, as `--labels` takes them.
 *
 *     env=prod,site=ams   → { env: "prod", site: "ams" }
 *
 *     labels → [ label *( "," label ) ]            at most 64
 *     label  → key "=" value
 *     key    → ( alpha / digit ) *62( alpha / digit / "." / "_" / "-" / "/" )
 *     value  → *128( visible ASCII but "," and "=" )
 *
 * The hub checks the same; here a mistake is told to the one who can correct it, at once.
 *
 * @module
 */
import { UsageError } from "../shared/cli/usage_error.ts";

export const MAX_LABELS = 64;

const KEY = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/;
const VALUE = /^[!-+\--<>-~]{0,128}$/;

/** @throws {UsageError} That names the label. */
export function parseLabels(text: string): Readonly<Record<string, string>> {
  if (text.trim() === "") return {};
  const labels = new Map<string, string>();
  for (const label of text.split(",").map((part) => part.trim())) {
    const equals = label.indexOf("=");
    if (equals < 0) throw bad(label, "it is not key=value");
    const key = label.slice(0, equals);
    if (!KEY.test(key)) {
      throw bad(label, "a key is 1 to 63 of A-Z a-z 0-9 . _ - / and starts with a letter or digit");
    }
    const value = label.slice(equals + 1);
    if (!VALUE.test(value)) {
      throw bad(label, "a value is at most 128 visible ASCII characters without , and =");
    }
    if (labels.has(key)) throw bad(label, `${key} is there twice`);
    labels.set(key, value);
  }
  if (labels.size > MAX_LABELS) throw new UsageError(`More than ${MAX_LABELS} labels`);
  return Object.fromEntries(labels);
}

function bad(label: string, why: string): UsageError {
  return new UsageError(`"${label}" is not a label: ${why}`, {
    hint: "Write --labels env=prod,site=ams",
  });
}
