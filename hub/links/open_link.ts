/**
 * A link that stands: HTTP/2 over TLS to another hub, with this one as the client. All calls to
 * servers that have their tunnels there go over it.
 *
 *     RelayedCall ─▶ RemoteServer ─▶ OpenLink ═ TLS ═▶ PeerListener of the other hub ─▶ its registry
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { Connection, type ConnectionEvents } from "../../shared/http2/connection.ts";
import { ErrorCode, errorName, type Http2Error } from "../../shared/http2/frames.ts";
import type { Place } from "../cluster/view.ts";
import { ReceiveBudget } from "../peer/receive_budget.ts";
import { ResetPacer } from "../peer/reset_pacer.ts";
import { type PumpProtocol, type Socket, SocketPump } from "../peer/socket_pump.ts";
import { MAX_PEER_HEADER_LIST_BYTES, PEER_FLOOD_LIMITS } from "./peer_limits.ts";
import { RemoteServer } from "./remote_server.ts";

/** A link whose other hub was silent for this long is lost. It is asked for a sign of life each second. */
export const LINK_DEAD_AFTER_S = 4;
/** Servers of which the way is remembered; beyond, all are worked out again. */
const MAX_TARGETS = 10_000;

/** Speaks with another hub. `run()` it once. */
export class OpenLink implements ConnectionEvents, PumpProtocol {
  /** The other hub's name. */
  readonly hub: string;
  /** As both hubs write it into their audit. */
  readonly id: string;
  readonly side: ReceiveBudget;
  readonly resets: ResetPacer;
  /** Resolves with the reason. */
  readonly closed: Promise<string>;
  /** Resolves when its stream ids are nearly used up: another link must take its place. */
  readonly wornOut: Promise<undefined>;
  readonly #connection: Connection;
  readonly #link: SocketPump;
  #ended: Promise<void> = Promise.resolve();
  readonly #resolveClosed: (reason: string) => void;
  readonly #resolveWornOut: (nothing: undefined) => void;
  readonly #targets = new Map<string, RemoteServer>();
  #lost: string | undefined;
  /** When the ping was sent that has no answer yet. */
  #pingedMs: number | undefined;
  #rttMs: number | undefined;
  #isLeaving = false;
  #retiring = false;

  constructor(socket: Socket, { hub, id }: { readonly hub: string; readonly id: string }) {
    this.hub = hub;
    this.id = id;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    const worn = Promise.withResolvers<undefined>();
    this.wornOut = worn.promise;
    this.#resolveWornOut = worn.resolve;
    this.#link = new SocketPump(socket, this);
    this.#connection = new Connection(this, {
      role: "client",
      floodLimits: PEER_FLOOD_LIMITS,
      maxHeaderListBytes: MAX_PEER_HEADER_LIST_BYTES,
    });
    this.side = new ReceiveBudget(this.#connection);
    this.resets = new ResetPacer(this.#connection, Infinity);
    this.#connection.start();
  }

  /** Why it is gone; `undefined` while it stands. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /** Whether new calls may take it. */
  get isOpen(): boolean {
    return this.#lost === undefined && !this.#isLeaving && !this.#retiring &&
      !this.#connection.isWornOut;
  }

  /** Calls go on over it. */
  get calls(): number {
    return this.#connection.streamCount;
  }

  /** How long the last sign of life took; `undefined` before the first one. */
  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  /** Bytes that wait, or whose rest has not come. */
  get bufferedBytes(): number {
    return this.#connection.waitingBytes + this.#connection.unfinishedBytes;
  }

  /** The way to a server that has its tunnel there. */
  targetOf(place: Pick<Place, "generation" | "tunnel" | "info">): RemoteServer {
    const { name } = place.info;
    const known = this.#targets.get(name);
    if (known?.id === place.tunnel && known.forwarding.generation === place.generation) {
      return known;
    }
    if (this.#targets.size >= MAX_TARGETS) this.#targets.clear();
    const target = new RemoteServer(this, place);
    this.#targets.set(name, target);
    return target;
  }

  /** Speaks until the link ends. */
  run(first: Uint8Array): void {
    void this.#link.run(first).then((error) =>
      this.close(
        error === undefined
          ? "The other hub closed the connection"
          : error instanceof Error
          ? error.message
          : String(error),
      )
    );
  }

  /** Takes no new calls, and ends with the last one. */
  retire(): void {
    this.#retiring = true;
    if (this.calls === 0) this.close("No call needs this link any more");
  }

  /** Once a second. */
  tick(): void {
    if (this.#lost !== undefined) return;
    this.#connection.tick();
    this.#link.tick();
    const { quietTicks, stalledTicks } = this.#link;
    if (quietTicks >= LINK_DEAD_AFTER_S || stalledTicks >= LINK_DEAD_AFTER_S) {
      return void this.close(`The other hub gave no sign of life for ${LINK_DEAD_AFTER_S} s`);
    }
    if (this.#connection.isWornOut) this.#resolveWornOut(undefined);
    const isOver = this.#retiring || this.#isLeaving || this.#connection.isWornOut;
    if (isOver && this.calls === 0) return void this.close("No call needs this link any more");
    this.#pingedMs ??= performance.now();
    this.#connection.ping();
  }

  /** Resolves when its socket is closed as well: at the latest after `GOODBYE_MS`. */
  close(reason: string): Promise<void> {
    if (this.#lost !== undefined) return this.#ended;
    this.#lost = reason;
    this.#connection.abort(ErrorCode.INTERNAL_ERROR);
    this.#targets.clear();
    this.#ended = this.#link.end();
    this.#resolveClosed(reason);
    return this.#ended;
  }

  // ---- PumpProtocol

  onBytes(bytes: Uint8Array): number {
    this.#connection.receive(bytes);
    return bytes.length;
  }

  take(): readonly Uint8Array[] {
    return this.#connection.take();
  }

  /** Not paused: what makes it speak is bounded, and its silence would look like death. */
  readonly isFull = false;

  // ---- ConnectionEvents

  onOutput(urgent: boolean): void {
    if (urgent) this.#link.wake();
    else this.#link.wakeLate();
  }

  onRequest(): never {
    throw new Error("A hub opened a stream towards the one that dialled it");
  }

  /** The other hub drains: calls in flight end, new ones go elsewhere. */
  onGoaway(_lastId: number, code: number, debug: string): void {
    this.#isLeaving = true;
    if (code === ErrorCode.NO_ERROR) return;
    this.close(`The other hub ended HTTP/2: ${errorName(code)} ${debug}`.trimEnd());
  }

  onPong(): void {
    if (this.#pingedMs === undefined) return;
    this.#rttMs = performance.now() - this.#pingedMs;
    this.#pingedMs = undefined;
  }

  onFault(error: unknown): void {
    getLogger(["hub", "links"]).error('A call over hub "{hub}" hit an unexpected error: {error}', {
      hub: this.hub,
      error,
    });
  }

  onError(error: Http2Error): void {
    this.close(error.message);
  }
}
