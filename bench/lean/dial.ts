/**
 * A connection of a bench's own ends, plain or with TLS, on which no small write waits for an
 * acknowledgement: `Deno.connectTls` has no way to say so (docs/decisions/0015).
 *
 * @module
 */

export interface DialOptions {
  readonly hostname: string;
  readonly port: number;
  /** With TLS, which offers this protocol. */
  readonly alpn?: string | undefined;
  /** PEM. @default {whom the process trusts: `deno run --cert`} */
  readonly ca?: string | undefined;
}

export async function dial({ hostname, port, alpn, ca }: DialOptions): Promise<Deno.Conn> {
  const connection = await Deno.connect({ hostname, port });
  connection.setNoDelay(true);
  if (alpn === undefined) return connection;
  const caCerts = ca === undefined ? [] : [ca];
  const secured = await Deno.startTls(connection, { hostname, caCerts, alpnProtocols: [alpn] });
  await secured.handshake();
  return secured;
}
