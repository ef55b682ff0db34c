/**
 * The value of `--labels`. The hub checks the same; here a mistake is told to the one who can correct
 * it, at once.
 *
 * @module
 */
import { UsageError } from "../../shared/cli/usage_error.ts";
import { parseLabels } from "../../shared/registration/labels.ts";

/** @throws {UsageError} That names the label. */
export function parseLabelsFlag(text: string): Readonly<Record<string, string>> {
  try {
    return parseLabels(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UsageError(error.message, { hint: "Write --labels env=prod,site=ams", cause: error });
  }
}
