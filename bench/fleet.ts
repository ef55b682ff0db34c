/**
 * Many lean servers in one process, each of which comes back as a gserver does: by the same policy.
 *
 * @module
 */
import { nextTry } from "../server/tunnel/retry_policy.ts";
import { serveEcho } from "./lean/echo.ts";
import { openTunnel } from "./lean/tunnel.ts";
import type { Wire } from "./lean/wire.ts";
import type { HeaderList } from "../shared/http2/header_list.ts";

/** The spread that a hub sends in its Welcome, which lean servers do not read. */
const SPREAD_MS = 1_000;

export interface FleetOptions {
  /** Each is called this, with a number. */
  readonly name: string;
  readonly count: number;
  /** Hears the headers of each unary call that came to any of them. */
  readonly onCall?: (fields: HeaderList) => void;
}

/** One server. */
class Member {
  readonly name: string;
  readonly #onCall: FleetOptions["onCall"];
  wire: Wire | undefined;
  /** `performance.now()` of its last registration. */
  registeredMs = 0;

  constructor(name: string, onCall: FleetOptions["onCall"]) {
    this.name = name;
    this.#onCall = onCall;
  }

  async run(uri: string, signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      const answer = await openTunnel(uri, this.name).catch(() => ({ head: "" }));
      if (!("wire" in answer)) {
        const status = Number(answer.head.split(" ", 2)[1] ?? NaN);
        const retryAfter = /^retry-after: *(\d+)/im.exec(answer.head)?.[1];
        const next = nextTry(failures, {
          kind: "failed",
          status: Number.isNaN(status) ? undefined : status,
          retryAfterMs: retryAfter === undefined ? undefined : Number(retryAfter) * 1_000,
        });
        failures = next.failures;
        await sleep(next.waitMs, signal);
        continue;
      }
      if (signal.aborted) return answer.wire.close();
      this.wire = answer.wire;
      this.registeredMs = performance.now();
      await serveEcho(answer.wire, { onCall: this.#onCall }).ended.catch(() => {});
      this.wire = undefined;
      const ageMs = performance.now() - this.registeredMs;
      const next = nextTry(failures, { kind: "lost", ageMs, spreadMs: SPREAD_MS });
      failures = next.failures;
      await sleep(next.waitMs, signal);
    }
  }
}

/**
 * Many lean servers in one process, which come back by gserver's own policy. Disposing of it ends
 * all of them.
 */
export class Fleet implements AsyncDisposable {
  readonly members: readonly Member[];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(uri: string, { name, count, onCall }: FleetOptions) {
    this.members = Array.from({ length: count }, (_, i) => new Member(`${name}-${i}`, onCall));
    this.#running = Promise.all(this.members.map((one) => one.run(uri, this.#stop.signal)))
      .then(() => {});
  }

  get registered(): number {
    return this.members.filter(({ wire }) => wire !== undefined).length;
  }

  /** When each was registered that has been since `sinceMs`, in order. */
  registeredSince(sinceMs: number): number[] {
    return this.members.filter(({ wire, registeredMs }) =>
      wire !== undefined && registeredMs > sinceMs
    )
      .map(({ registeredMs }) => registeredMs).sort((a, b) => a - b);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const { wire } of this.members) wire?.close();
    await this.#running;
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
