/**
 * Real servers of others for tests (squid, nginx, microsocks): each with a folder and a port of its
 * own, ready when it listens.
 *
 * @module
 */
import { freePort } from "./free_port.ts";
import { Process } from "./process.ts";
import { until } from "./until.ts";

/** Ports that are tried until one was still free when the program asked for it. */
const MAX_TRIES = 10;
/** State of a listening socket in `/proc/net/tcp` (`TCP_LISTEN`). */
const LISTENING = "0A";

/** What a program needs to start. */
export interface DaemonOptions {
  /** Looked up in PATH and where Debian has servers. */
  readonly command: string;
  readonly args: (place: Place) => readonly string[];
  /** File → contents, written into the folder before. */
  readonly files?: (place: Place) => Readonly<Record<string, string>>;
}

/** Where it runs. */
export interface Place {
  readonly dir: string;
  readonly port: number;
}

/** A server that listens on 127.0.0.1. */
export interface Daemon extends Place, AsyncDisposable {
  readonly address: string;
  readonly process: Process;
}

/** Whether this machine has no such program: its tests are ignored then, and this says so. */
export function isWithoutProgram(command: string): boolean {
  if (findProgram(command) !== undefined) return false;
  console.warn(`SKIPPED: there is no ${command} on this machine`);
  return true;
}

function findProgram(command: string): string | undefined {
  const dirs = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"];
  return dirs.map((dir) => `${dir}/${command}`).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** Starts it on a free port. */
export async function startDaemon({ command, args, files }: DaemonOptions): Promise<Daemon> {
  const path = findProgram(command);
  if (path === undefined) throw new Error(`There is no ${command}`);
  for (let tries = 1;; tries++) {
    const dir = await Deno.makeTempDir({ prefix: `ghub-${command}-` });
    await Deno.chmod(dir, 0o777); // squid and nginx give up root's rights
    const place = { dir, port: freePort() };
    for (const [name, text] of Object.entries(files?.(place) ?? {})) {
      await Deno.writeTextFile(`${dir}/${name}`, text, { mode: 0o644 });
    }
    const process = Process.start(command, path, args(place), { cwd: dir });
    let ended = false;
    void process.exit.then(() => ended = true);
    await until(`${command} to listen`, () => ended || listens(process.pid, place.port));
    const remove = () => Deno.remove(dir, { recursive: true });
    if (ended) {
      await remove();
      if (tries < MAX_TRIES) continue;
      throw new Error(`${command} ended at once:\n${process.stderr}`);
    }
    return {
      ...place,
      process,
      address: `127.0.0.1:${place.port}`,
      async [Symbol.asyncDispose]() {
        await process.kill();
        await remove();
      },
    };
  }
}

/** Whether that process itself listens there. */
function listens(pid: number, port: number): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const inodes = new Set(
    Deno.readTextFileSync("/proc/net/tcp").split("\n").map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => local?.endsWith(wanted) && state === LISTENING)
      .map((fields) => `socket:[${fields[9]}]`),
  );
  if (inodes.size === 0) return false;
  try {
    return [...Deno.readDirSync(`/proc/${pid}/fd`)].some(({ name }) => {
      try {
        return inodes.has(Deno.readLinkSync(`/proc/${pid}/fd/${name}`));
      } catch {
        return false; // closed meanwhile
      }
    });
  } catch {
    return false; // ended meanwhile
  }
}
