/**
 * A TCP link that can lose every byte without a word, and that can be down.
 *
 * @module
 */

/** A TCP link that can lose every byte, and that can be down. Disposing of it closes everything. */
export class Link implements Disposable {
  readonly address: string;
  /** New connections are closed at once. */
  down = false;
  /** When connections came, by `performance.now()`. */
  readonly acceptedMs: number[] = [];
  /** When those who dialled ended theirs, by the same clock. */
  readonly endedMs: number[] = [];
  readonly #listener: Deno.TcpListener;
  readonly #target: Deno.ConnectOptions;
  #pairs: { near: Deno.TcpConn; far: Deno.TcpConn; lost: boolean }[] = [];

  constructor(target: string) {
    const { hostname, port } = new URL(`tcp://${target}`);
    this.#target = { hostname, port: Number(port) };
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.address = `127.0.0.1:${this.#listener.addr.port}`;
    void this.#accept();
  }

  /** Loses what goes over the connections that are open. */
  blackHole(): void {
    for (const pair of this.#pairs) pair.lost = true;
  }

  /** Closes all connections. */
  cut(): void {
    for (const { near, far } of this.#pairs.splice(0)) {
      for (const conn of [near, far]) closeQuietly(conn);
    }
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    this.cut();
  }

  async #accept(): Promise<void> {
    try {
      for await (const near of this.#listener) void this.#join(near);
    } catch {
      // It was closed.
    }
  }

  async #join(near: Deno.TcpConn): Promise<void> {
    this.acceptedMs.push(performance.now());
    if (this.down) return closeQuietly(near);
    try {
      const far = await Deno.connect(this.#target);
      for (const conn of [near, far]) conn.setNoDelay(true);
      const pair = { near, far, lost: false };
      this.#pairs.push(pair);
      const carry = async (from: Deno.TcpConn, to: Deno.TcpConn) => {
        const buffer = new Uint8Array(16 * 1024);
        try {
          for (let n; (n = await from.read(buffer)) !== null;) {
            for (let at = 0; at < n && !pair.lost;) at += await to.write(buffer.subarray(at, n));
          }
        } catch {
          // Its end is the other one's end.
        }
        if (from === near) this.endedMs.push(performance.now());
        if (pair.lost) return;
        closeQuietly(near);
        closeQuietly(far);
        this.#pairs = this.#pairs.filter((other) => other !== pair);
      };
      void carry(near, far);
      void carry(far, near);
    } catch {
      closeQuietly(near);
    }
  }
}

function closeQuietly(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // It was.
  }
}
