/**
 * Run a hub inside a program of your own.
 *
 * ```ts
 * import { runHub } from "@ghub/ghub/hub";
 *
 * await using hub = await runHub({
 *   tunnelListen: { hostname: "127.0.0.1", port: 0 },
 *   callListen: { hostname: "127.0.0.1", port: 0 },
 * });
 * console.log(`servers dial ${hub.tunnelAddress}, callers ${hub.callAddress}`);
 * ```
 *
 * Nothing else is needed to try it: with {@linkcode HubOptions.stateDir} it keeps its tokens, with
 * {@linkcode HubOptions.authFile} it knows its operators, and with `tunnelTls` and `callTls` it speaks
 * TLS. Without any of them it takes only what comes from this machine, and plain text.
 *
 * It needs Deno's flag `--unstable-net`. It logs by [LogTape](https://logtape.org), in the category
 * `hub`: nothing, until the program configures LogTape.
 *
 * @module
 */
import { startHub } from "./hub.ts";
import type { EmbeddedHub, HubOptions } from "./hub_options.ts";

export type { EmbeddedHub, HubOptions };
export type { ListenAddress, TlsIdentity } from "./net/listen_options.ts";
export { LIMITS, type LimitsOptions, type Load, type Usage } from "./limits/limits.ts";
export { TUNNEL_PORT, type TunnelPortOptions } from "./tunnels/tunnel_port_options.ts";
export { AUDIT_FILE, type AuditFileOptions } from "./audit/file.ts";
export type { ReloadPart } from "../shared/cli/reload.ts";

/**
 * Runs a hub, until it is closed, drained or disposed of.
 *
 * @throws {Error} If an address cannot be listened on, or the state folder is not safe.
 */
export async function runHub(options: HubOptions): Promise<EmbeddedHub> {
  return await startHub(options);
}
