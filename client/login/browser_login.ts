/**
 * A login in a browser of this machine (RFC 8252): the provider sends the browser back to a port of
 * loopback, with a code that is of use only to whoever has the verifier (PKCE, RFC 7636).
 *
 *     listen ─▶ show, open address ─▶ browser ─▶ provider ─▶ GET /callback?code&state&iss ─▶ tokens
 *
 * Every user of this machine can reach that port. So a request without the right state is answered,
 * and means nothing; and what comes with it counts only for this provider, verifier and nonce.
 *
 * @module
 */
import { comesWithin } from "../../shared/async/deadline.ts";
import type { Tokens } from "./login.ts";
import type { BrowserRequest, Provider } from "./provider.ts";

const PATH = "/callback";

/** Whoever holds a connection open holds nothing up for longer. */
const CLOSE_MS = 1_000;

const HEADERS = {
  "content-type": "text/plain; charset=utf-8",
  // The address has the code in it.
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  connection: "close",
} as const;

/** Options of {@linkcode browserLogin}. */
export interface BrowserLoginOptions {
  /** Shows the address to a person, and perhaps opens it. */
  readonly show: (url: URL) => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * The tokens, as soon as a person has logged in.
 *
 * @throws {LoginError} If that was denied, or the answer is not of this provider.
 * @throws `signal.reason`, as soon as the signal fires.
 */
export async function browserLogin(
  provider: Pick<Provider, "requestBrowser" | "finishBrowser">,
  { show, signal }: BrowserLoginOptions,
): Promise<Tokens> {
  const answered = Promise.withResolvers<URLSearchParams>();
  // It may be called off before anybody waits for it.
  answered.promise.catch(() => {});
  let request: BrowserRequest | undefined;
  const answer = ({ method, url }: Request): Response => {
    const { pathname, searchParams } = new URL(url);
    if (method !== "GET" || pathname !== PATH) return reply(404, "There is nothing here.");
    if (request === undefined || searchParams.get("state") !== request.state) {
      return reply(400, "This is not the answer to the login that gclient waits for.");
    }
    answered.resolve(searchParams);
    return reply(
      200,
      "gclient has the answer: the terminal shows what came of it. Close this window.",
    );
  };
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen() {},
    onError: () => reply(400, "This cannot be read."),
  }, answer);
  const interrupt = () => answered.reject(signal.reason);
  signal.addEventListener("abort", interrupt, { once: true });
  try {
    signal.throwIfAborted();
    request = await provider.requestBrowser(`http://127.0.0.1:${server.addr.port}${PATH}`);
    await show(request.url);
    return await provider.finishBrowser(request, await answered.promise, signal);
  } finally {
    signal.removeEventListener("abort", interrupt);
    // The browser is to get its answer first; the end of the process closes what is left.
    await comesWithin(server.shutdown(), CLOSE_MS);
  }
}

function reply(status: number, text: string): Response {
  return new Response(`${text}\n`, { status, headers: HEADERS });
}
