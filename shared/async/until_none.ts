/**
 * A wait for the end of many things, of which new ones may begin meanwhile.
 *
 * @module
 */

/**
 * Resolves when nothing goes on any more, or the signal fires. Never rejects.
 *
 * @param goingOn What goes on now: each resolves when it has ended, and never rejects. Asked again when
 *     all of them have.
 */
export async function untilNone(
  goingOn: () => readonly Promise<void>[],
  signal?: AbortSignal,
): Promise<void> {
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  const abort = () => resolve();
  if (signal?.aborted) return;
  signal?.addEventListener("abort", abort, { once: true });
  try {
    for (let left = goingOn(); left.length > 0 && !signal?.aborted; left = goingOn()) {
      await Promise.race([Promise.all(left), aborted]);
    }
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
