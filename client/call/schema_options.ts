/**
 * Flags that say what a server has, where it does not tell.
 *
 * @module
 */
import type { Options, OptionValues } from "../../shared/cli/program.ts";

const group = "Schema";

export const schemaOptions = {
  proto: {
    flag: "--proto",
    value: "FILE",
    many: true,
    help: "Reads services from this .proto file; what it does not have, the server is asked for",
    complete: "file",
    group,
  },
  importPaths: {
    flag: "--import-path",
    short: "-I",
    value: "DIR",
    many: true,
    help: "Looks here for what --proto files import, after the folder that each of them is in",
    complete: "directory",
    group,
  },
  protoset: {
    flag: "--protoset",
    value: "FILE",
    many: true,
    help: "Reads services from this set of descriptors (protoc --descriptor_set_out)",
    complete: "file",
    group,
  },
  protosetOut: {
    flag: "--protoset-out",
    value: "FILE",
    help: "Writes what the server has told of its services into this file, for --protoset",
    complete: "file",
    perRun: true,
    group,
  },
} as const satisfies Options;

export type SchemaValues = OptionValues<typeof schemaOptions>;
