/**
 * Answers of HTTP servers that are not ours: one without an end must not fill the memory.
 *
 * @module
 */

/** Statuses to which `Response` takes no body, not even an empty one. */
const BODILESS = new Set([101, 204, 205, 304]);

export interface BoundedResponseOptions {
  readonly maxBytes: number;
  /** Made when the body is larger. */
  readonly tooLarge: () => Error;
}

/**
 * The same answer, with its whole body read. Of a larger one the rest is cancelled.
 *
 * @throws What `tooLarge` makes.
 */
export async function boundedResponse(
  response: Response,
  { maxBytes, tooLarge }: BoundedResponseOptions,
): Promise<Response> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  const { status, headers } = response;
  return new Response(BODILESS.has(status) ? null : new Blob(chunks), { status, headers });
}
