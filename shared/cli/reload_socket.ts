/**
 * How `reload` asks a service that runs, and learns what became of it, which a signal cannot tell:
 *
 *     reload ──"reload\n"──▶ STATE/reload.sock ─▶ Reloader
 *            ◀──{"parts":[{"what":"auth file …","good":true,"outcome":"unchanged"}],"failed":0}──
 *
 * The socket lies in the service's state folder, which its owner alone may enter.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { deadline } from "../async/deadline.ts";
import type { Reloaded } from "./reload.ts";

const FILE = "reload.sock";
const OWNER_ONLY = 0o600;
const REQUEST = "reload\n";
/** Connections at a time; more are closed at once. */
export const MAX_ASKING = 8;
/** Until the request has come: it is sent with the connection. */
const REQUEST_MS = 5_000;
/** For a reload: a part may read files from a slow disk. */
const RELOAD_MS = 60_000;
/** The longest answer that is read. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/** Nobody listens there: the service does not run, or keeps its state elsewhere. */
export class NotRunningError extends Error {
  override readonly name = "NotRunningError";
}

/**
 * Listens for `reload`. A folder in which no socket can be is only worth a warning: SIGHUP works
 * without one.
 *
 * @param stateDir Where the service keeps its state. Nobody else may use it at the same time.
 */
export function serveReload(stateDir: string, reload: () => Promise<Reloaded>): Disposable {
  const path = `${stateDir}/${FILE}`;
  let listener: Deno.UnixListener;
  try {
    removeIfThere(path); // Left by a process that was killed.
    listener = Deno.listen({ transport: "unix", path });
    Deno.chmodSync(path, OWNER_ONLY);
  } catch (error) {
    getLogger(["reload"]).warn("The reload command cannot reach this process: {error}", { error });
    return { [Symbol.dispose]() {} };
  }
  const open = new Set<Deno.Conn>();
  const accept = async () => {
    for await (const conn of listener) {
      if (open.size >= MAX_ASKING) {
        close(conn);
        continue;
      }
      open.add(conn);
      void answer(conn, reload).finally(() => {
        open.delete(conn);
        close(conn);
      });
    }
  };
  void accept().catch(() => {}); // It was closed.
  return {
    [Symbol.dispose]() {
      close(listener);
      for (const conn of open) close(conn);
      removeIfThere(path);
    },
  };
}

async function answer(conn: Deno.Conn, reload: () => Promise<Reloaded>): Promise<void> {
  try {
    const request = read(conn, REQUEST.length, (text) => text.endsWith("\n"));
    if (await deadline(request, REQUEST_MS) !== REQUEST) return;
    const text = JSON.stringify(await reload()) + "\n";
    for (let rest = new TextEncoder().encode(text); rest.length > 0;) {
      rest = rest.subarray(await conn.write(rest));
    }
  } catch {
    // Whoever asked is gone, or says nothing.
  }
}

/**
 * Asks the service that keeps its state in this folder to reload.
 *
 * @throws {NotRunningError} If there is none.
 * @throws {Error} If it does not answer.
 */
export async function askReload(stateDir: string): Promise<Reloaded> {
  const path = `${stateDir}/${FILE}`;
  using conn = await Deno.connect({ transport: "unix", path }).catch((cause) => {
    throw new NotRunningError(`Nothing answers at ${path}: ${(cause as Error).message}`, { cause });
  });
  const ask = async () => {
    await conn.write(new TextEncoder().encode(REQUEST));
    const text = await read(conn, MAX_ANSWER_BYTES, (text) => text.endsWith("\n"));
    if (!text.endsWith("\n")) throw new Error("the service ended meanwhile");
    return JSON.parse(text) as Reloaded;
  };
  try {
    return await deadline(ask(), RELOAD_MS, { what: "reload" });
  } catch (cause) {
    const { message } = cause as Error;
    throw new Error(`Cannot learn how the reload went: ${message}`, { cause });
  }
}

/** Whether a service that keeps its state in this folder can be asked. It is asked nothing. */
export async function canAskReload(stateDir: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path: `${stateDir}/${FILE}` })).close();
    return true;
  } catch {
    return false;
  }
}

/** Text until it is whole, the other end has closed, or there are `max` bytes of it. */
async function read(
  conn: Deno.Conn,
  max: number,
  whole: (text: string) => boolean,
): Promise<string> {
  const decoder = new TextDecoder();
  const bytes = new Uint8Array(Math.min(max, 64 * 1024));
  let text = "";
  for (let length = 0; length < max && !whole(text);) {
    const n = await conn.read(bytes);
    if (n === null) break;
    length += n;
    text += decoder.decode(bytes.subarray(0, n), { stream: true });
  }
  return text;
}

function close(resource: { close(): void }): void {
  try {
    resource.close();
  } catch {
    // It was closed before.
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
