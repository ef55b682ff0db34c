/**
 * A byte that waits in a socket: it is read as soon as the event loop looks at its sockets, and not
 * before. For tests.
 *
 * @module
 */

/** Sends a byte to itself. Resolves when it can be read, which then needs a look at the socket. */
export async function wordOnItsWay(): Promise<{ readonly read: Promise<unknown> }> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const near = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const far = await listener.accept();
  listener.close();
  // The reader waits already when the byte is sent.
  const read = far.read(new Uint8Array(1)).finally(() => {
    near.close();
    far.close();
  });
  await near.write(new Uint8Array(1));
  return { read };
}
