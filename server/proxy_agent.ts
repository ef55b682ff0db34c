/**
 * The way through an HTTP proxy, for one dial.
 *
 * @module
 */
import { HttpsProxyAgent } from "https-proxy-agent";

/** An agent for `node:http`, and what became of its CONNECT. */
export interface ProxyAgent {
  readonly agent: HttpsProxyAgent<string>;
  /** Whether the answer that came is the proxy's own. */
  refused(): boolean;
}

/**
 * Makes the agent.
 *
 * @param signal Cuts the connection. Without it, one to a proxy that never answers would stay:
 *     the agent keeps it to itself until then.
 */
export function proxyAgent(proxy: URL, signal: AbortSignal): ProxyAgent {
  let status = 200;
  const options = { keepAlive: false, signal } as ConstructorParameters<typeof HttpsProxyAgent>[1];
  const agent = new HttpsProxyAgent<string>(proxy.href, options);
  agent.on("proxyConnect" as "free", (answer: { statusCode: number }) => {
    status = answer.statusCode;
  });
  return { agent, refused: () => status !== 200 };
}
