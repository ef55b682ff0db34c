/**
 * The hub that a doctor looks at: how it would be started, and what is known of it already.
 *
 * @module
 */
import type { Env } from "../../../shared/cli/command.ts";
import type { ServeValues } from "../serve_options.ts";
import type { StateLook } from "./state_look.ts";

/** What the checks are about. */
export interface ExaminedHub {
  readonly values: ServeValues;
  readonly env: Env;
  readonly state: StateLook;
  readonly signal: AbortSignal;
}
