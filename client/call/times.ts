/**
 * Where the time of a call went, for `-v`.
 *
 *     resolve      the name of the hub, or of the proxy
 *     dial         TCP, and the way through a proxy
 *     TLS          its handshake
 *     hub          its first bytes of HTTP/2, or its answer to the JSON handshake of raw mode
 *     server       from the request to the first answer, less the way to the hub and back
 *     first byte   from the start to the first answer
 *     all          from the start to the end
 *
 * The way to the hub and back is what `hub` took: the hub answers that at once.
 *
 * @module
 */

/** Steps of connecting, in their order. */
export type Step = "resolve" | "dial" | "TLS" | "hub";

/** Reads the clock at each step. */
export class Times {
  readonly #start = performance.now();
  readonly #steps = new Map<Step, number>();
  #lastMs = this.#start;
  #sentMs: number | undefined;
  #firstMs: number | undefined;

  /** A step of connecting is done. */
  readonly step = (name: Step): void => {
    const now = performance.now();
    this.#steps.set(name, now - this.#lastMs);
    this.#lastMs = now;
  };

  sent(): void {
    this.#sentMs = performance.now();
  }

  /** An answer is there; only the first one counts. */
  answered(): void {
    this.#firstMs ??= performance.now();
  }

  /** The table; steps that there were not are left out. */
  lines(): string[] {
    const rows: [name: string, ms: number][] = [...this.#steps];
    if (this.#firstMs !== undefined && this.#sentMs !== undefined) {
      const wayMs = this.#steps.get("hub") ?? 0;
      rows.push(["server", Math.max(0, this.#firstMs - this.#sentMs - wayMs)]);
      rows.push(["first byte", this.#firstMs - this.#start]);
    }
    rows.push(["all", performance.now() - this.#start]);
    return rows.map(([name, ms]) => `* ${name.padEnd(10)} ${ms.toFixed(1).padStart(9)} ms`);
  }
}
