/**
 * Small things that are done with a peer's connection.
 *
 * @module
 */
import type { Socket } from "../peer/socket_pump.ts";

/** Who is at the other end of a connection, as far as the network tells. */
export interface Peer {
  /** `host:port`. */
  readonly remoteAddress: string;
  /** It speaks TLS with this hub. */
  readonly encrypted: boolean;
  readonly certificate?: ClientCertificate | undefined;
}

/** A peer's connection, plain (`Deno.TcpConn`) or with TLS (`TlsConn`): what the hub uses of it. */
export interface PeerConn extends Socket, Partial<Omit<Peer, "remoteAddress">> {
  readonly remoteAddr: Deno.Addr;
  /** What is wrong with the certificate that it has shown, where such a peer is let in. */
  readonly certificateFault?: string | undefined;
  /** Small frames must not wait for the peer's delayed ACK. */
  setNoDelay(): void;
}

/** What a connection tells of its peer. */
export function peerOf(conn: PeerConn): Peer {
  const { encrypted = false, certificate } = conn;
  return { remoteAddress: remoteAddressOf(conn), encrypted, certificate };
}

/** `host:port` of the peer; an IPv4 address that is written as IPv6 is shown as IPv4. */
export function remoteAddressOf(conn: Pick<PeerConn, "remoteAddr">): string {
  const address = conn.remoteAddr;
  if (address.transport !== "tcp") return "";
  const host = address.hostname.replace(/^::ffff:(?=\d+\.)/, "");
  return host.includes(":") ? `[${host}]:${address.port}` : `${host}:${address.port}`;
}

/** The address of a `host:port`. */
export function hostOf(remoteAddress: string): string {
  return remoteAddress.slice(0, remoteAddress.lastIndexOf(":"));
}

/** Writes all of it. */
export async function writeAll(conn: Pick<PeerConn, "write">, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** Closes what may be closed already. */
export function closeQuietly(conn: { close(): void }): void {
  try {
    conn.close();
  } catch {
    // It was.
  }
}

/** A certificate that a peer has shown, and that an authority of ours has signed. */
export interface ClientCertificate {
  /** Its subject alternative names: `dns:…`, `uri:…`, `email:…`, `ip:…`. */
  readonly names: readonly string[];
  readonly notAfterMs: number;
  /** Whether that authority is still one of ours. */
  isVouchedFor(): boolean;
}
