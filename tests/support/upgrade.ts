/**
 * A server's knock at the hub's door, and no more.
 *
 * @module
 */
import type { Headers } from "./echo_client.ts";
import { dialTcp } from "./path.ts";
import { readLine } from "./raw_path.ts";

/** Asks for a tunnel, and gives the HTTP status of the answer. A tunnel that opens is dropped. */
export async function upgrade(
  tunnelUri: string,
  { name, ...headers }: Headers & { readonly name: string },
): Promise<number> {
  const { host, pathname } = new URL(tunnelUri);
  const socket = await dialTcp(host);
  const all = {
    host,
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "x-hub-meta-name": name,
    ...headers,
  };
  const lines = Object.entries(all).map(([field, value]) => `${field}: ${value}\r\n`);
  socket.write(`GET ${pathname} HTTP/1.1\r\n${lines.join("")}\r\n`);
  const line = await readLine(socket);
  socket.on("error", () => {}); // What still comes does not matter.
  socket.destroy();
  return Number(line.split(" ")[1]);
}
