/**
 * A network between a server and its hub that can fail: a TCP proxy.
 *
 * @module
 */
import { once } from "node:events";
import net from "node:net";
import { until } from "./until.ts";

export class BadNetwork implements AsyncDisposable {
  /** `host:port` where to dial instead of the target. */
  readonly address: string;
  readonly #server: net.Server;
  readonly #pairs: Set<readonly [net.Socket, net.Socket]>;
  #frozen: (readonly [net.Socket, net.Socket])[] = [];

  private constructor(server: net.Server, pairs: Set<readonly [net.Socket, net.Socket]>) {
    this.#server = server;
    this.#pairs = pairs;
    this.address = `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  }

  /** A network to `host:port`. */
  static async to(target: string): Promise<BadNetwork> {
    const { hostname, port } = new URL(`tcp://${target}`);
    const pairs = new Set<readonly [net.Socket, net.Socket]>();
    const server = net.createServer({ noDelay: true }, (near) => {
      const far = net.connect({ host: hostname, port: Number(port), noDelay: true });
      const pair = [near, far] as const;
      pairs.add(pair);
      for (const [from, to] of [pair, [far, near] as const]) {
        from.on("error", () => {}); // It closes.
        from.once("close", () => {
          to.destroy();
          pairs.delete(pair);
        });
        from.pipe(to);
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new BadNetwork(server, pairs);
  }

  /** Connections through it now. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Resets all connections; new ones work. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  /** Loses every byte of the connections that are open, and tells nobody; new ones work. */
  freeze(): void {
    this.#frozen = [...this.#pairs];
    for (const [near, far] of this.#frozen) {
      for (const socket of [near, far]) {
        socket.unpipe();
        socket.resume();
      }
      this.#pairs.delete([near, far]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.cut();
    for (const pair of this.#frozen) for (const socket of pair) socket.destroy();
    await closed;
    await until("the network's connections to close", () => this.#pairs.size === 0);
  }
}
