/**
 * Opens many tunnels to a hub and keeps them idle.
 *
 *     deno run -A bench/idle_tunnels.ts URI COUNT
 *
 * Prints `tunnels ready count=N` when the hub has greeted each, and holds them until SIGTERM.
 *
 * @module
 */
import { serveEcho } from "./lean/echo.ts";
import { dialTunnel } from "./lean/tunnel.ts";

/** Dialled at a time: a real hub sees storms, but this is about what comes after. */
const AT_ONCE = 8;

const [uri = "", count = "0"] = Deno.args;
let next = 0;

async function dialSome(): Promise<void> {
  while (next < Number(count)) {
    const name = `idle-${next++}`;
    const peer = serveEcho(await dialTunnel(uri, name));
    peer.ended.finally(() => {
      console.error(`Tunnel "${name}" ended`);
      Deno.exit(1);
    });
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, dialSome));
console.log(`tunnels ready count=${count}`);
