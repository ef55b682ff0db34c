/**
 * A server's tunnel made by hand: the upgrade request as bytes, and what the hub answers. It does
 * only what it is told, so that it can be deaf, slow, late or twice there.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type net from "node:net";
import { dialTcp } from "./path.ts";
import { until } from "./until.ts";

export interface RawTunnelOptions {
  readonly name: string;
  /** @default a new UUID */
  readonly instance?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Where it dials from. */
  readonly localAddress?: string;
  /** Reads nothing after the hub's answer. @default false */
  readonly deaf?: boolean;
}

/** The request that opens a tunnel, byte for byte. */
export function upgradeRequest(
  tunnelUri: string,
  { name, instance = crypto.randomUUID(), headers = {} }: RawTunnelOptions,
): Buffer {
  const { host, pathname } = new URL(tunnelUri);
  const fields = {
    Host: host,
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "ghub.h2.v1",
    "X-Hub-Meta-Name": name,
    "X-Hub-Meta-Instance": instance,
    ...headers,
  };
  const lines = Object.entries(fields).map(([field, value]) => `${field}: ${value}\r\n`);
  return Buffer.from(`GET ${pathname} HTTP/1.1\r\n${lines.join("")}\r\n`);
}

/** A connection to the tunnel port, behind the hub's answer to it. */
export class RawTunnel implements Disposable {
  readonly status: number;
  readonly retryAfterS: number | undefined;
  /** The answer's head, and the body of a refusal. */
  readonly answer: string;
  readonly socket: net.Socket;
  #pinging: ReturnType<typeof setInterval> | undefined;

  private constructor(socket: net.Socket, answer: string) {
    this.socket = socket;
    this.answer = answer;
    this.status = Number(answer.split(" ", 2)[1]);
    const retryAfter = /^retry-after: *(\d+)/im.exec(answer)?.[1];
    this.retryAfterS = retryAfter === undefined ? undefined : Number(retryAfter);
  }

  /** Dials and waits for the hub's answer, whatever it is. */
  static async open(tunnelUri: string, options: RawTunnelOptions): Promise<RawTunnel> {
    const { localAddress } = options;
    const socket = await dialTcp(new URL(tunnelUri).host, { localAddress });
    socket.on("error", () => {}); // It closes.
    let answer = "";
    let ended = false;
    const read = (chunk: Buffer) => {
      answer += chunk.toString("latin1");
      // What follows a 101 is the hub's HTTP/2.
      if (answer.startsWith("HTTP/1.1 101") && answer.includes("\r\n\r\n")) ended = true;
    };
    socket.on("data", read);
    socket.once("close", () => ended = true);
    socket.write(upgradeRequest(tunnelUri, options));
    await until(`the hub's answer to "${options.name}"`, () => ended);
    socket.off("data", read);
    if (options.deaf) socket.pause();
    else socket.resume();
    return new RawTunnel(socket, answer);
  }

  get closed(): boolean {
    return this.socket.destroyed || this.socket.readableEnded;
  }

  /** Shows life from now on, whatever it reads: masked ping frames (RFC 6455 §5.5.2). */
  ping(everyMs: number): void {
    this.#pinging = setInterval(
      () => this.socket.write(Uint8Array.of(0x89, 0x80, 0, 0, 0, 0)),
      everyMs,
    );
  }

  /** Lets the hub send so many bytes: SETTINGS and WINDOW_UPDATE (RFC 9113 §6.5, §6.9). */
  allow(bytes: number): void {
    const window = Buffer.alloc(4);
    window.writeUInt32BE(bytes);
    const settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, ...window];
    const update = [0, 0, 4, 8, 0, 0, 0, 0, 0, ...window];
    const frames = [...settings, ...update];
    this.socket.write(Uint8Array.of(0x82, 0x80 | frames.length, 0, 0, 0, 0, ...frames));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#pinging);
    this.socket.destroy();
  }
}
