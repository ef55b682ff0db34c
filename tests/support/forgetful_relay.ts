/**
 * A relay of TCP that ends connections which are silent, as NAT, firewalls and proxies do.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** When a connection ends. */
export interface Forgetfulness {
  /** This many connections last. @default 0 */
  readonly skip?: number;
  /** After it has been silent for this long. @default never */
  readonly silentMs?: number;
  /** When these bytes have come from the other end. @default never */
  readonly last?: string;
}

/** Relays to this address until it is disposed. */
export async function startForgetful(
  to: string,
  { skip = 0, silentMs = 0, last }: Forgetfulness,
): Promise<AsyncDisposable & { readonly address: string }> {
  const [host = "", port = ""] = to.split(":");
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((near) => {
    const far = connect(Number(port), host);
    const lasts = connections++ < skip;
    const end = () => {
      near.destroy();
      far.destroy();
    };
    for (const [socket, other] of [[near, far], [far, near]] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      if (!lasts) socket.setTimeout(silentMs, end);
      socket.on("error", end);
      socket.once("close", () => {
        sockets.delete(socket);
        other.end();
      });
    }
    near.pipe(far);
    far.on("data", (bytes: Buffer) => {
      const isLast = !lasts && last !== undefined && bytes.includes(Buffer.from(last, "latin1"));
      near.write(bytes, () => isLast && end());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port: own } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${own}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
