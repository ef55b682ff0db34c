/**
 * The flags that say how responses are printed.
 *
 * @module
 */
import type { Options, OptionValues } from "../../shared/cli/program.ts";

const group = "Output";

const RESPONSE_FORMATS = ["json", "prettyjson", "yaml", "xml", "table", "wide", "name"] as const;
export type ResponseFormat = (typeof RESPONSE_FORMATS)[number];

export const printOptions = {
  responseFormat: {
    flag: "--response-format",
    short: "-o",
    value: "FORMAT",
    choices: RESPONSE_FORMATS,
    defaultText: "table on a terminal, else json",
    help: "The form of responses and, when given, of errors; wide is a table that is never cut, " +
      "name the names in it alone",
    envFallbacks: ["RESPONSE_FORMAT"],
    group,
  },
  envelope: {
    flag: "--envelope",
    help: "Prints server, status, headers, response, trailers and duration as one document",
    group,
  },
  emitDefaults: {
    flag: "--emit-defaults",
    help: "Also prints fields that have their default value",
    group,
  },
  color: {
    flag: "--color",
    value: "WHEN",
    choices: ["auto", "always", "never"],
    defaultText: "auto: on a terminal, without NO_COLOR and TERM=dumb",
    help: "Shows states in colours",
    group,
  },
  quiet: {
    flag: "--quiet",
    short: "-q",
    help: "Prints no responses and no warnings: the exit code tells",
    group,
  },
} as const satisfies Options;

export type PrintValues = OptionValues<typeof printOptions>;
