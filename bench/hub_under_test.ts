/**
 * What stands between caller and server in a bench: the hub, or the `node:http2` relay.
 *
 * @module
 */
import { HUB_V8_FLAGS } from "../scripts/build/programs.ts";
import { Program } from "./program.ts";

/** A hub that runs. */
export interface RunningHub extends AsyncDisposable {
  readonly program: Program;
  /** What servers dial. */
  readonly tunnelUri: string;
  /** What callers dial. */
  readonly callAddress: string;
  /** If it was told to have one. */
  readonly metricsAddress?: string | undefined;
}

export interface HubUnderTestOptions {
  /** Listens where this one did, which has ended. */
  readonly again?: RunningHub;
  /** Further arguments of `ghub serve`. */
  readonly args?: readonly string[];
  /** @default false */
  readonly inspect?: boolean;
  /** How many files it may have open. @default as this process may */
  readonly maxFiles?: number;
}

/** Starts ghub from source on free ports, as its executable would run. */
export async function startHub(options: HubUnderTestOptions = {}): Promise<RunningHub> {
  const { again, args = [], inspect = false, maxFiles } = options;
  const stateDir = await Deno.makeTempDir({ prefix: "ghub-bench-" });
  const any = "127.0.0.1:0";
  const { program, match } = await Program.start("hub/main.ts", [
    "serve",
    "--tunnel-listen",
    again === undefined ? any : new URL(again.tunnelUri).host,
    "--call-listen",
    again?.callAddress ?? any,
    "--log-level",
    "error",
    "--state-dir",
    stateDir,
    ...args,
  ], {
    ready: /^ghub ready tunnel=(\S+) call=(\S+)(?: metrics=(\S+))?(?: peer=\S+)?$/m,
    flags: [HUB_V8_FLAGS],
    inspect,
    maxFiles,
  });
  return {
    program,
    tunnelUri: match[1]!,
    callAddress: match[2]!,
    metricsAddress: match[3],
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await Deno.remove(stateDir, { recursive: true });
    },
  };
}

/** Starts the baseline. */
export async function startRelay(): Promise<RunningHub> {
  const { program, match } = await Program.start(
    "bench/node_http2_relay.ts",
    [],
    { ready: /^relay ready tunnel=(\S+) call=(\S+)/m },
  );
  return {
    program,
    tunnelUri: match[1]!,
    callAddress: match[2]!,
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}
