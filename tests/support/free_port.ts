/**
 * Ports for programs that cannot take just any: a Fluentd's, an etcd's, that of a server which is
 * started again.
 *
 * @module
 */
import { join } from "node:path";
import { tmpdir } from "node:os";

/** Ports that no system gives away by itself: Linux begins at 32768, others at 49152. */
const PORTS = { first: 20_000, count: 10_000 };

/** What was given last, for all tests of this user on this machine: they run at the same time. */
const LAST = join(tmpdir(), `ghub-test-port-${Deno.uid() ?? "all"}`);

/**
 * A port that nobody listens on now, and that no other test is given until all others were: it may
 * take a busy machine a minute until the program that gets it listens there.
 */
export function freePort(): number {
  using file = Deno.openSync(LAST, { read: true, write: true, create: true });
  file.lockSync(true);
  const text = new Uint8Array(8);
  let last = Number(new TextDecoder().decode(text.subarray(0, file.readSync(text) ?? 0)));
  do {
    last = (last + 1) % PORTS.count;
  } while (isTaken(PORTS.first + last));
  file.seekSync(0, Deno.SeekMode.Start);
  file.writeSync(new TextEncoder().encode(`${last}`.padEnd(text.length)));
  return PORTS.first + last;
}

function isTaken(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return true;
    throw error;
  }
}
