/**
 * Opens many tunnels to a hub and keeps them idle.
 *
 *     deno run -A bench/idle_tunnels.ts URI COUNT [NAME]
 *
 * Each server is called NAME, or `idle`, with a number. Prints `tunnels ready count=N seconds=S` when the
 * hub has greeted each, and holds them until SIGTERM. Each pings as a gserver does, and all of them together
 * at an even pace.
 *
 * @module
 */
import { serveEcho } from "./lean/echo.ts";
import { dialTunnel } from "./lean/tunnel.ts";
import type { Wire } from "./lean/wire.ts";

/** Dialled at a time: a real hub sees storms, but this is about what comes after. */
const AT_ONCE = 8;
const PING_EVERY_MS = 5_000;
const LOOK_EVERY_MS = 100;

const [uri = "", count = "0", server = "idle"] = Deno.args;
const wires: Wire[] = [];
let next = 0;
let pinged = 0;

async function dialSome(): Promise<void> {
  while (next < Number(count)) {
    const name = `${server}-${next++}`;
    const wire = await dialTunnel(uri, name);
    wires.push(wire);
    const peer = serveEcho(wire);
    peer.ended.finally(() => {
      console.error(`Tunnel "${name}" ended`);
      Deno.exit(1);
    });
  }
}

setInterval(() => {
  const turn = Math.ceil(wires.length * LOOK_EVERY_MS / PING_EVERY_MS);
  for (let i = 0; i < turn; i++) wires[pinged++ % wires.length]?.ping?.();
}, LOOK_EVERY_MS);
const startedMs = performance.now();
await Promise.all(Array.from({ length: AT_ONCE }, dialSome));
console.log(`tunnels ready count=${count} seconds=${(performance.now() - startedMs) / 1000}`);
