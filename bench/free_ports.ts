/**
 * Ports for programs that cannot take just any: those of others.
 *
 * @module
 */

/** Ports that nobody has now; who asks for them may be too late. */
export function freePorts(count: number): number[] {
  const any = { hostname: "127.0.0.1", port: 0 };
  const listeners = Array.from({ length: count }, () => Deno.listen(any));
  const ports = listeners.map(({ addr }) => addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}
