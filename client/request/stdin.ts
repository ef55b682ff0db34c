/**
 * Standard input: what it is, and its text.
 *
 * @module
 */
import { fstatSync } from "node:fs";
import { deadline, TimeoutError } from "../../shared/async/deadline.ts";
import { MAX_DOCUMENT_BYTES } from "../../shared/codec/bounds.ts";
import { UsageError } from "../../shared/cli/program.ts";

/**
 * - `data`: somebody gives a request: a file, a pipe or a socket.
 * - `terminal`: a person, who types the requests of a stream, and did not mean to type another one.
 * - `none`: `/dev/null`, a closed descriptor or another device.
 */
export type StdinKind = "data" | "terminal" | "none";

export interface Stdin {
  kind(): StdinKind;
  /** As it comes. */
  chunks(): AsyncIterable<Uint8Array>;
  /** All of it, up to its end. */
  read(options: { readonly signal: AbortSignal; readonly timeoutMs: number }): Promise<Uint8Array>;
}

/** What is read whole must end within this time. */
export const STDIN_TIMEOUT_MS = 30_000;

/** For a request: within `--timeout`, when that is longer. */
export function requestTimeoutMs(
  { timeoutMs = 0 }: { readonly timeoutMs?: number | undefined },
): number {
  return Math.max(STDIN_TIMEOUT_MS, timeoutMs);
}

/** The process's own. */
export const processStdin: Stdin = {
  kind() {
    if (Deno.stdin.isTerminal()) return "terminal";
    try {
      // Not Deno.stat("/proc/self/fd/0"): that is Linux alone, and needs all permissions.
      const stat = fstatSync(0);
      return stat.isFile() || stat.isFIFO() || stat.isSocket() ? "data" : "none";
    } catch {
      return "none";
    }
  },
  chunks: () => Deno.stdin.readable,
  read: ({ signal, timeoutMs }) => readAll(Deno.stdin.readable, { signal, timeoutMs }),
};

/** Reads a stream to its end. A pipe that stays open must not keep the program waiting without limit. */
export async function readAll(
  stream: ReadableStream<Uint8Array>,
  { signal, timeoutMs }: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<Uint8Array> {
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const until = Date.now() + timeoutMs;
  while (true) {
    const left = Math.max(0, until - Date.now());
    const { done, value } = await deadline(reader.read(), left, { signal }).catch((error) => {
      if (!(error instanceof TimeoutError)) throw error;
      throw new UsageError(`Standard input did not end within ${timeoutMs} ms`, {
        hint: "Use -n when the request does not come from there",
      });
    });
    if (done) break;
    chunks.push(value);
    size += value.length;
    if (size > MAX_DOCUMENT_BYTES) {
      throw new UsageError(`Standard input is longer than ${MAX_DOCUMENT_BYTES >> 20} MiB`, {
        hint: "Send less in one request. If standard input is not the request, use -n",
      });
    }
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}
