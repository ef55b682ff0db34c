/**
 * The flags of a call to a server behind the hub, in addition to those that lead to the hub.
 *
 * @module
 */
import { DURATION } from "../../shared/cli/parse_duration.ts";
import type { Options } from "../../shared/cli/program.ts";

const group = "Connection";

export const serverOptions = {
  raw: {
    flag: "--raw",
    help: "Goes through the hub by a JSON handshake: gRPC end to end, unseen by the hub",
    group,
  },
  waitForServerMs: {
    flag: "--wait-for-server",
    ...DURATION,
    defaultText: "not at all",
    help: "Lets the hub wait this long for a server that is away; the timeout grows by it",
    group,
  },
} as const satisfies Options;

/** The flag of commands that are meant for one server most of the time. */
export const defaultServerOptions = {
  server: {
    flag: "--server",
    value: "NAME",
    help: "The server that is meant when none is named",
    group,
  },
} as const satisfies Options;
