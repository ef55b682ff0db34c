/**
 * A real gserver whose hub a test plays.
 *
 * @module
 */
import type { HubTunnel, TestHub } from "../../server/testing/hub.ts";
import { pathWithoutFluentd } from "./fluentd.ts";
import { Process, source } from "./process.ts";

/** It has said that it is ready, at the end of this tunnel. Disposing ends it. */
export interface LoneGserver extends AsyncDisposable {
  readonly server: Process;
  readonly tunnel: HubTunnel;
}

/** Starts "edge-1", with a state folder of its own. */
export async function startGserver(
  hub: TestHub,
  args: readonly string[],
): Promise<LoneGserver> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "ghub-gserver-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const server = stack.use(
    Process.deno("gserver", [
      ...source("server/main.ts"),
      ...["serve", "edge-1", "--hub-uri", hub.uri.href, "--state-dir", dir, "--proxy", "direct"],
      ...args,
    ], { env: { HOME: dir, ...pathWithoutFluentd() } }),
  );
  const tunnel = await hub.tunnel();
  await server.line(/^gserver ready server=edge-1 /);
  const started = stack.move();
  return { server, tunnel, [Symbol.asyncDispose]: () => started.disposeAsync() };
}
