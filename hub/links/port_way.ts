/**
 * Links between the workers of one hub: a worker that dials another one makes a pair of ports, and the
 * main thread hands one of them over. From there on all is as between hubs of a cluster: the same first
 * words, the same HTTP/2, the same relay.
 *
 *     worker 1: PortWay.dialler ──port──▶ main thread ──port──▶ worker 2: PortWay.listener
 *
 * @module
 */
import { deadline } from "../../shared/async/deadline.ts";
import type { HubListener } from "../net/listen.ts";
import type { PeerConn } from "../net/peer.ts";
import { OpenLink } from "./open_link.ts";
import { LINK_DIAL_TIMEOUT_MS } from "./peer_dial.ts";
import { meetListener } from "./peer_handshake.ts";
import type { PeerWay } from "./peer_port.ts";
import { PortSocket } from "./port_socket.ts";

/** What workers call each other, before their numbers: the names and addresses of their links. */
export const WORKER_NAME = "worker-";

/** Whoever has such a port was given it by the main thread. */
const NO_PROOF: PeerWay["proof"] = { secret: undefined, needsCertificate: false, certificate: "" };

/** The way of one worker to the others, and of the others to it. */
export class PortWay implements PeerWay {
  readonly proof: PeerWay["proof"] = NO_PROOF;
  readonly isOfWorkers = true;
  readonly dialler: PeerWay["dialler"];
  readonly listener: PortListener = new PortListener();

  /** @param hand Gives a port to the worker of this address. */
  constructor(hand: (address: string, port: MessagePort) => void) {
    this.dialler = {
      async dial(address, { self, session, signal }) {
        const { port1, port2 } = new MessageChannel();
        const conn = new PortSocket(port1);
        try {
          hand(address, port2);
          const meeting = meetListener(conn, { ...NO_PROOF, self, session });
          const what = "dial of the other worker";
          const { hub, link: id, rest } = await deadline(meeting, LINK_DIAL_TIMEOUT_MS, {
            signal,
            what,
          });
          return { link: new OpenLink(conn, { hub: hub.name, id }), first: rest };
        } catch (error) {
          conn.close();
          throw error;
        }
      },
    };
  }
}

/** Gives out the ports that other workers have dialled with. */
export class PortListener implements HubListener {
  readonly addr: Deno.NetAddr = { transport: "tcp", hostname: "127.0.0.1", port: 0 };
  readonly #ready: PortSocket[] = [];
  #waiting: PromiseWithResolvers<PeerConn> | undefined;
  #closed = false;

  /** Takes a port that another worker has dialled with. */
  put(port: MessagePort): void {
    const conn = new PortSocket(port);
    if (this.#closed) return conn.close();
    if (this.#waiting === undefined) this.#ready.push(conn);
    else this.#waiting.resolve(conn);
    this.#waiting = undefined;
  }

  accept(): Promise<PeerConn> {
    const next = this.#ready.shift();
    if (next !== undefined) return Promise.resolve(next);
    if (this.#closed) return Promise.reject(new Deno.errors.BadResource("It is closed"));
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  close(): void {
    this.#closed = true;
    this.#waiting?.reject(new Deno.errors.BadResource("It is closed"));
    for (const conn of this.#ready.splice(0)) conn.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
