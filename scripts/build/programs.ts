/**
 * The three programs, what each may do and how it is run: the same flags go into the executables
 * that `deno compile` makes and into the self-extracting ones.
 *
 * @module
 */

/** A program to build. */
export interface ProgramSource {
  readonly name: string;
  readonly entry: string;
  /** Deno's flags. A permission that is not here is denied without asking. */
  readonly flags: readonly string[];
  /** Loads Node's modules when they are needed: for a program that starts often. @default false */
  readonly lazyNode?: boolean;
}

/**
 * Files, hosts and ports are named by people at run time, in flags and config files, so these cannot
 * be narrowed at build time. What matters is what is missing once it runs: hub and client can neither
 * start processes nor load native code or code from elsewhere, whatever a peer may have sent them.
 * docs/security.md has the table, `tests/permissions_test.ts` tries it.
 */
const EVERYWHERE = [
  ...["--no-remote", "--no-prompt", "--allow-net", "--allow-read", "--allow-env"],
] as const;

/**
 * What thousands of idle tunnels leave to V8, docs/decisions/0011-small-young-space.md:
 *
 * - The space of young objects grows to 3 × 16 MiB under load and is kept. 4 MiB are collected more
 *   often, and are enough.
 * - What a ping needs lives until the pong, and so grows old. V8 would collect the old only when
 *   there are hundreds of megabytes of it; now when it is 60 % more than what is in use.
 */
export const HUB_V8_FLAGS = "--v8-flags=--max-semi-space-size=4,--heap-growing-percent=60";

/**
 * A process of a third of a second is over before V8's other threads have done anything for it, but pays
 * for them: docs/decisions/0034-gclient-on-one-thread.md.
 */
const CLIENT_V8_FLAGS = "--v8-flags=--single-threaded";

export const PROGRAMS: readonly ProgramSource[] = [
  {
    name: "ghub",
    entry: "hub/main.ts",
    flags: [
      ...EVERYWHERE,
      // Tokens, the audit, and which servers were here.
      "--allow-write",
      // Whose a token file is, and what the quick start calls this machine.
      "--allow-sys=hostname,uid",
      // No permission: it has datagrams to Unix sockets, by which systemd is told that we are ready.
      "--unstable-net",
      HUB_V8_FLAGS,
    ],
  },
  {
    name: "gserver",
    entry: "server/main.ts",
    // It starts Fluentd and looks at its processes in /proc, which Deno opens to nobody who lacks
    // any permission at all. Without Fluentd it gives back at its start what it does not need. To
    // narrow it otherwise, narrow the user it runs as: docs/operations.md.
    flags: ["--no-remote", "--allow-all", "--unstable-net"],
  },
  {
    name: "gclient",
    entry: "client/main.ts",
    lazyNode: true,
    // Writing and starting programs are given back before anything is called, unless the command
    // needs them: --log-dir, contexts and logins are written, a token's command is started. And it asks
    // who its user is, to whom the folder of logins must belong.
    flags: [...EVERYWHERE, "--allow-write", "--allow-run", "--allow-sys=uid", CLIENT_V8_FLAGS],
  },
];
