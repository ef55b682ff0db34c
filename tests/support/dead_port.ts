/**
 * A port where nobody listens, for tests of what happens then.
 *
 * @module
 */

/** Closed by `using`; until then nobody else is given it. */
export interface DeadPort extends Disposable {
  readonly port: number;
  readonly address: string;
}

/** Not one that was freed, which the next one who asks may get: the near end of a connection. */
export async function deadPort(): Promise<DeadPort> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port: listening } = listener.addr;
  const near = await Deno.connect({ hostname: "127.0.0.1", port: listening });
  const far = await listener.accept();
  const { port } = near.localAddr;
  return {
    port,
    address: `127.0.0.1:${port}`,
    [Symbol.dispose]() {
      near.close();
      far.close();
    },
  };
}
