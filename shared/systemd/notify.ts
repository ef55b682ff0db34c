/**
 * Tells systemd how a service stands: datagrams of `NAME=value` lines to the socket that
 * `NOTIFY_SOCKET` names. Without systemd, nothing.
 *
 *     READY=1       it serves                      WATCHDOG=1   its event loop turns
 *     STOPPING=1    it has begun to end            STATUS=…     a line for `systemctl status`
 *     RELOADING=1   it reloads its files, until the next READY=1
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
 * @module
 */
import { getLogger } from "@logtape/logtape";

type Env = Readonly<Record<string, string | undefined>>;

/** What is told; later fields add to earlier ones. */
export interface ServiceState {
  readonly READY?: 1;
  readonly STOPPING?: 1;
  readonly RELOADING?: 1;
  readonly WATCHDOG?: 1;
  /** One line. */
  readonly STATUS?: string;
}

/** What is told when a reload is over. */
export function reloadedState(status: string, failed: number): ServiceState {
  const what = failed === 0 ? "" : `; ${failed} parts could not be reloaded, see the log`;
  return { READY: 1, STATUS: `${status}${what}` };
}

/** So often within the time that systemd allows between two signs of life. */
const SIGNS_PER_LIMIT = 2;

const log = getLogger(["systemd"]);

/** A service's word to its manager. Nothing of it throws: no service ends because nobody listens. */
export class SystemdNotifier implements Disposable {
  readonly #path: string | undefined;
  readonly #socket: Deno.DatagramConn | undefined;
  #last: Promise<void> = Promise.resolve();
  #watchdog: ReturnType<typeof setInterval> | undefined;

  /** @param env The process's environment. */
  constructor(env: Env) {
    const path = env["NOTIFY_SOCKET"];
    if (path === undefined || path === "") return;
    try {
      this.#socket = open(path);
      this.#path = path;
    } catch (error) {
      log.warn("Cannot tell systemd how this service stands: {error}", { error });
      return;
    }
    const limitMs = watchdogMs(env);
    if (limitMs === undefined) return;
    // A timer of the event loop: one that is stuck lets systemd restart the service.
    this.#watchdog = setInterval(
      () => void this.notify({ WATCHDOG: 1 }),
      limitMs / SIGNS_PER_LIMIT,
    );
  }

  /** Resolves when it was sent, or could not be. In order: a socket of Deno's sends one at a time. */
  notify(state: ServiceState): Promise<void> {
    this.#last = this.#last.then(() => this.#send(state));
    return this.#last;
  }

  async #send(state: ServiceState): Promise<void> {
    if (this.#socket === undefined || this.#path === undefined) return;
    const lines = Object.entries(state)
      .map(([name, value]) => `${name}=${String(value).replaceAll(/[\r\n]+/g, " ")}`);
    try {
      await this.#socket.send(new TextEncoder().encode(lines.join("\n")), {
        transport: "unixpacket",
        path: this.#path,
      });
    } catch (error) {
      log.debug("Cannot tell systemd: {error}", { error });
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#watchdog);
    this.#watchdog = undefined;
    try {
      this.#socket?.close();
    } catch {
      // It was closed before.
    }
  }
}

function open(path: string): Deno.DatagramConn {
  if (path.startsWith("@")) throw new Error("NOTIFY_SOCKET is in the abstract namespace");
  if (typeof Deno.listenDatagram !== "function") {
    throw new Error("this Deno was started without --unstable-net");
  }
  // Deno's datagram sockets have a name; nobody needs to find it.
  const dir = Deno.makeTempDirSync({ prefix: "notify-" });
  try {
    return Deno.listenDatagram({ transport: "unixpacket", path: `${dir}/socket` });
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

/** How long systemd waits between two signs of life; `undefined` if it does not watch us. */
function watchdogMs(env: Env): number | undefined {
  const { WATCHDOG_USEC: usec, WATCHDOG_PID: pid } = env;
  if (pid !== undefined && pid !== "" && Number(pid) !== Deno.pid) return undefined;
  const ms = Number(usec ?? "") / 1000;
  return ms > 0 && Number.isFinite(ms) ? ms : undefined;
}
