/**
 * A worker that dials a TLS listener as often as it is told, and tells how many got in: callers who
 * go on while the thread of the listener stands still.
 *
 * @module
 */
/// <reference lib="deno.worker" />

/** What it is told. */
export interface Dial {
  readonly port: number;
  readonly count: number;
  readonly caCerts: string[];
  /** Counts those who wait for TLS. */
  readonly waiting: Int32Array<SharedArrayBuffer>;
}

self.onmessage = async ({ data: { port, count, caCerts, waiting } }: MessageEvent<Dial>) => {
  const all = await Promise.allSettled(
    Array.from({ length: count }, async () => {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port });
      Atomics.add(waiting, 0, 1);
      Atomics.notify(waiting, 0);
      using secured = await Deno.startTls(conn, { hostname: "localhost", caCerts });
      await secured.handshake();
    }),
  );
  self.postMessage(all.filter(({ status }) => status === "fulfilled").length);
};
self.postMessage("ready");
