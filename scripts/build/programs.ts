/**
 * The three programs and what each may do: the same flags go into the executables that
 * `deno compile` makes and into the self-extracting ones.
 *
 * @module
 */

/** A program to build. */
export interface ProgramSource {
  readonly name: string;
  readonly entry: string;
  /** Deno's permission flags. What is not here is denied without asking. */
  readonly permissions: readonly string[];
}

/**
 * Files, hosts and ports are named by people at run time, in flags and config files, so these cannot
 * be narrowed at build time. What matters is what is missing: no program may load native code,
 * and only the server may start processes.
 */
const EVERYWHERE = [
  "--no-prompt",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
] as const;

export const PROGRAMS: readonly ProgramSource[] = [
  {
    name: "ghub",
    entry: "hub/main.ts",
    permissions: [...EVERYWHERE, "--allow-sys=hostname"],
  },
  {
    name: "gserver",
    entry: "server/main.ts",
    // Fluentd, systemctl and journalctl; also Deno.kill. uid: may this user ask systemd?
    permissions: [...EVERYWHERE, "--allow-sys=hostname,uid", "--allow-run"],
  },
  {
    name: "gclient",
    entry: "client/main.ts",
    permissions: [...EVERYWHERE, "--allow-sys=hostname"],
  },
];
