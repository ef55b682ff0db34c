/**
 * A TCP proxy that can stop moving bytes while its connections stand, as a network does that has lost
 * them. For tests.
 *
 * @module
 */
import { once } from "node:events";
import net from "node:net";

export class FaultyPipe implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #isFrozen = false;

  private constructor(to: string) {
    const { hostname, port } = new URL(`tcp://${to}`);
    this.#server = net.createServer((near) => {
      const far = net.connect({ host: hostname, port: Number(port), noDelay: true });
      this.#join(near, far);
      this.#join(far, near);
    });
  }

  /** @param to `host:port` of where bytes go. */
  static async open(to: string): Promise<FaultyPipe> {
    const pipe = new FaultyPipe(to);
    pipe.#server.listen({ host: "127.0.0.1", port: 0 });
    await once(pipe.#server, "listening");
    return pipe;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
  }

  /** From now on nothing gets through, and nobody is told. */
  freeze(): void {
    this.#isFrozen = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }

  #join(from: net.Socket, to: net.Socket): void {
    this.#sockets.add(from);
    from.on("error", () => {});
    from.on("data", (bytes) => {
      if (!this.#isFrozen) to.write(bytes);
    });
    from.on("close", () => {
      this.#sockets.delete(from);
      if (!this.#isFrozen) to.destroy();
    });
  }
}
