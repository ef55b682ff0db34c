/**
 * A network link that goes bad in the ways of real ones: it loses one direction and tells nobody,
 * holds new connections, is slow, forgets who is idle, or breaks after so many bytes.
 *
 *     dialler ──up──▶ FaultyLink ──up──▶ target
 *     dialler ◀─down─ FaultyLink ◀─down─ target
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { once } from "node:events";
import net from "node:net";
import { until } from "./until.ts";

/** As the dialler sees it. */
export type Direction = "up" | "down";

export interface FaultyLinkOptions {
  /** Connections that carry nothing for so long are forgotten, without a word. */
  readonly idleMs?: number;
  /** Each direction carries no more than this. */
  readonly bytesPerS?: number;
  /** Connections are reset when so many bytes have gone in this direction. */
  readonly cutAfter?: { readonly direction: Direction; readonly bytes: number };
}

const SLOW_STEP_MS = 20;
/** A timer that is so late was held up by more than other timers. */
const LATE_MS = 500;

/** One connection through the link. */
class Pair {
  readonly sockets: Readonly<Record<Direction, net.Socket>>;
  readonly #lost = new Set<Direction>();
  readonly #options: FaultyLinkOptions;
  readonly #carried = { up: 0, down: 0 };
  #idle: ReturnType<typeof setTimeout> | undefined;

  /** @param near From the dialler: what it sends goes up. @param far To the target. */
  constructor(near: net.Socket, far: net.Socket, options: FaultyLinkOptions) {
    this.#options = options;
    this.sockets = { up: near, down: far };
    this.#carry("up", near, far);
    this.#carry("down", far, near);
    this.#touch();
  }

  lose(direction: Direction): void {
    this.#lost.add(direction);
  }

  /** Anything may still arrive by this pair. */
  get alive(): boolean {
    return !this.sockets.up.destroyed || !this.sockets.down.destroyed;
  }

  cut(): void {
    clearTimeout(this.#idle);
    for (const socket of Object.values(this.sockets)) socket.resetAndDestroy();
  }

  #carry(direction: Direction, from: net.Socket, to: net.Socket): void {
    from.on("error", () => {}); // It closes.
    from.on("data", (chunk: Buffer) => {
      if (this.#lost.has(direction)) return;
      this.#touch();
      const { bytesPerS, cutAfter } = this.#options;
      const left = cutAfter?.direction === direction
        ? cutAfter.bytes - this.#carried[direction]
        : Infinity;
      this.#carried[direction] += chunk.length;
      const room = to.write(chunk.subarray(0, Math.max(0, left)));
      if (chunk.length >= left) to.end(() => this.cut());
      if (bytesPerS !== undefined) this.#slow(from, chunk.length / bytesPerS);
      else if (!room) {
        from.pause();
        to.once("drain", () => from.resume());
      }
    });
    // A link that has lost its way carries no ends of connections either.
    from.once("end", () => this.#lost.has(direction) || to.end());
    from.once("close", () => {
      clearTimeout(this.#idle);
      if (!this.#lost.has(direction)) to.destroy();
    });
  }

  #slow(from: net.Socket, seconds: number): void {
    from.pause();
    setTimeout(() => from.resume(), Math.max(SLOW_STEP_MS, seconds * 1000));
  }

  #touch(): void {
    const { idleMs } = this.#options;
    if (idleMs === undefined) return;
    clearTimeout(this.#idle);
    const dueMs = performance.now() + idleMs;
    this.#idle = setTimeout(() => {
      // This process has stood still itself: what came meanwhile is not read yet.
      if (performance.now() - dueMs > LATE_MS) return this.#touch();
      this.lose("up");
      this.lose("down");
    }, idleMs);
  }
}

export class FaultyLink implements AsyncDisposable {
  /** `host:port` where to dial instead of the target. */
  readonly address: string;
  /** New connections are accepted, and then nothing: as if the target had no power. */
  holdsNew = false;
  readonly #server: net.Server;
  readonly #pairs = new Set<Pair>();
  readonly #held = new Set<net.Socket>();
  #accepted = 0;

  private constructor(server: net.Server) {
    this.#server = server;
    this.address = `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  }

  /** A link to `host:port`. */
  static async to(target: string, options: FaultyLinkOptions = {}): Promise<FaultyLink> {
    const { hostname: host, port } = new URL(`tcp://${target}`);
    // Half-open is what this is about: an end goes no further than it came.
    const server = net.createServer({ noDelay: true, allowHalfOpen: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const link = new FaultyLink(server);
    server.on("connection", (near) => {
      link.#accepted++;
      if (link.holdsNew) return link.#hold(near);
      const far = net.connect({ host, port: Number(port), noDelay: true, allowHalfOpen: true });
      link.#pairs.add(new Pair(near, far, options));
    });
    return link;
  }

  /** Connections that it ever took. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Loses every byte of these directions of the connections that are open, and their ends. */
  blackHole(...directions: readonly Direction[]): void {
    for (const pair of this.#pairs) for (const direction of directions) pair.lose(direction);
  }

  /** Resets all connections. */
  cut(): void {
    for (const pair of this.#pairs) pair.cut();
    for (const socket of this.#held) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.cut();
    await closed;
    await until("the link's connections to close", () => {
      this.cut();
      return [...this.#pairs].every((pair) => !pair.alive);
    });
  }

  #hold(socket: net.Socket): void {
    this.#held.add(socket);
    socket.on("error", () => {});
    socket.resume();
  }
}
