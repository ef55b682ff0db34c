/**
 * The options of the log, which all services have.
 *
 * @module
 */
import { LOG, LOG_FORMATS, LOG_LEVELS } from "./log.ts";
import type { Options } from "./option.ts";

const group = "Log";

export const logOptions = {
  logLevel: {
    flag: "--log-level",
    value: "LEVEL",
    choices: LOG_LEVELS,
    default: LOG.level,
    help: "Leaves out what is less severe",
    group,
  },
  logFormat: {
    flag: "--log-format",
    value: "FORMAT",
    choices: LOG_FORMATS,
    default: LOG.format,
    help: "Text for people, or lines of JSON",
    group,
  },
} as const satisfies Options;
