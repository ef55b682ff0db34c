/**
 * The flags that say what a request is.
 *
 * @module
 */
import type { Options, OptionValues } from "../../shared/cli/program.ts";

const group = "Request";

export const FORMATS = ["json", "yaml", "xml"] as const;

export const requestOptions = {
  data: {
    flag: "--data",
    short: "-d",
    value: "TEXT",
    once: true,
    help: "The request itself; @FILE reads a file, @- standard input",
    perRun: true,
    group,
  },
  requestFile: {
    flag: "--request-file",
    short: "-f",
    value: "FILE",
    once: true,
    help: "Reads the request from a file; - is standard input",
    complete: "file",
    envFallbacks: ["REQUEST_FILE"],
    group,
  },
  requestFormat: {
    flag: "--request-format",
    value: "FORMAT",
    choices: FORMATS,
    help: "The request's form, if the file's name and the text do not tell it",
    group,
  },
  set: {
    flag: "--set",
    value: "FIELD=VALUE",
    many: true,
    help: "Sets a field of the request, such as wait=60s, a.b=1 or list[0].c=x, after all else",
    perRun: true,
    group,
  },
  allowUnknownFields: {
    flag: "--allow-unknown-fields",
    help: "Ignores fields of the request that its message does not have",
    group,
  },
  noInput: {
    flag: "--no-input",
    short: "-n",
    help: "Leaves standard input alone: for loops like while read server; do …; done < servers",
    group,
  },
  schema: {
    flag: "--schema",
    help: "With -p: prints the JSON Schema of the request instead of a filled one",
    perRun: true,
    group,
  },
  printSampleRequest: {
    flag: "--print-sample-request",
    short: "-p",
    help: "Prints a filled request and ends, without calling anybody",
    perRun: true,
    group,
  },
} as const satisfies Options;

export type RequestValues = OptionValues<typeof requestOptions>;
