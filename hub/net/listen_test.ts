import assert from "node:assert/strict";
import { type HubListener, listen } from "./listen.ts";

const LOOPBACK = { hostname: "127.0.0.1", port: 0, flag: "--call-listen", alpn: [] };

function portOf(listener: HubListener): number {
  return (listener.addr as Deno.NetAddr).port;
}

Deno.test("listen() says what is in the way and what to do", async (t) => {
  using taken = listen(LOOPBACK);
  const port = portOf(taken);
  const table: [what: string, options: Partial<typeof LOOPBACK>, says: RegExp][] = [
    [
      "a taken port",
      { port },
      new RegExp(
        `Cannot listen on 127.0.0.1:${port} \\(--call-listen\\): another program has this port\\. ` +
          `Find it with: ss -ltnp 'sport = :${port}', or take another one, such as --call-listen 127.0.0.1:`,
      ),
    ],
    ["a foreign address", { hostname: "192.0.2.1" }, /192\.0\.2\.1:0 .*no such address/],
    ["no host", { hostname: "no.such.host.invalid" }, /Cannot listen on no\.such\.host\.invalid:0/],
  ];
  for (const [what, options, says] of table) {
    await t.step(what, () => {
      assert.throws(() => listen({ ...LOOPBACK, ...options }), says);
    });
  }
});
