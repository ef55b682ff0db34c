/**
 * Listens, or says in words what stands in the way.
 *
 * @module
 */
import { formatHostPort } from "../../shared/cli/parse_host_port.ts";
import type { ListenAddress, TlsIdentity } from "./listen_options.ts";
import type { PeerConn } from "./peer.ts";
import { type TakePlace, TlsListener } from "./tls_listener.ts";

/** Where peers are accepted. */
export interface HubListener extends Disposable {
  readonly addr: Deno.Addr;
  /** Rejects when it was closed, and nobody is left whose handshake goes on. */
  accept(): Promise<PeerConn>;
  /** Lets nobody else dial. Handshakes that are under way go on; disposing ends them, too. */
  close(): void;
  /** With TLS only: resolves when no handshake goes on. */
  settled?(): Promise<void>;
  /** With TLS only: see `TlsListener`. */
  use?(identity: TlsIdentity): void;
}

export interface ListenOptions extends ListenAddress {
  /** The option that named the address, for errors. */
  readonly flag: string;
  readonly tls?: TlsIdentity | undefined;
  /** What TLS offers, such as `h2`. */
  readonly alpn: readonly string[];
  /** Where its TLS handshakes take their places. @default places of this listener alone */
  readonly takePlace?: TakePlace;
  /** With TLS only: see `TlsListenOptions`. @default false */
  readonly admitsUnproven?: boolean;
}

/** @throws {Error} That says which address it is, why, and what to do. */
export function listen(options: ListenOptions): HubListener {
  const { hostname, port, reusePort = false, tls, alpn, takePlace, admitsUnproven, flag } = options;
  try {
    return tls === undefined
      ? Deno.listen({ hostname, port, reusePort })
      : new TlsListener({ hostname, port, reusePort, alpn, takePlace, admitsUnproven, tls });
  } catch (cause) {
    const address = formatHostPort({ host: hostname, port });
    const why = reasonOf(cause as Error, options);
    throw new Error(`Cannot listen on ${address} (${flag}): ${why}`, { cause });
  }
}

function reasonOf(error: Error, { hostname, port, flag }: ListenOptions): string {
  if (error instanceof Deno.errors.AddrInUse) {
    const other = formatHostPort({ host: hostname, port: port < 65_535 ? port + 1 : port - 1 });
    return `another program has this port. Find it with: ss -ltnp 'sport = :${port}', ` +
      `or take another one, such as ${flag} ${other}`;
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "this machine has no such address";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `ports below 1024 need a privilege; take a higher one with ${flag}`;
  }
  return error.message;
}
