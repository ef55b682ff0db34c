/**
 * Somebody without any credential, who keeps the hub's ports busy from one address.
 *
 * @module
 */
import assert from "node:assert/strict";
import type net from "node:net";
import { MAX_HANDSHAKES } from "../hub/tunnels/tunnel_listener.ts";
import { dialTcp, drop } from "./support/path.ts";
import { RawTunnel } from "./support/raw_tunnel.ts";
import { until } from "./support/until.ts";
import { World } from "./support/world.ts";

const HOSTILE = "127.0.9.9";

Deno.test("who leaves handshakes open by the hundred keeps no server of another address out", async () => {
  await using world = await World.start({ servers: [] });
  const { host } = new URL(world.tunnelUri);
  const silent: net.Socket[] = [];
  const opening = new Set<Promise<void>>();
  let isEnough = false;
  const open = async () => {
    const socket = await dialTcp(host, { localAddress: HOSTILE });
    socket.on("error", () => {}); // It closes.
    socket.resume();
    // Not even a whole request.
    socket.write("GET /ws HTTP/1.1\r\n");
    silent.push(socket);
    // The hub cuts it in the end: on a slow machine before the last of the others is there.
    socket.once("close", () => {
      if (isEnough) return;
      const again = open().finally(() => opening.delete(again));
      opening.add(again);
    });
  };
  await Promise.all(Array.from({ length: MAX_HANDSHAKES }, open));
  const answerTo = async (name: string, localAddress?: string) => {
    using tunnel = await RawTunnel.open(world.tunnelUri, {
      name,
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    return tunnel.status;
  };
  await until("it to be refused", async () => await answerTo("theirs", HOSTILE) === 503);
  assert.equal(await answerTo("ours"), 101);
  isEnough = true;
  await Promise.all(opening);
  await Promise.all(silent.map(drop));
});
