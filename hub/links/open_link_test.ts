import assert from "node:assert/strict";
import { OpenLink } from "./open_link.ts";
import { PortSocket } from "./port_socket.ts";

Deno.test("OpenLink.close() resolves when the other hub has ended its half and the socket is closed", async () => {
  const { port1, port2 } = new MessageChannel();
  const [near, far] = [new PortSocket(port1), new PortSocket(port2)];
  const link = new OpenLink(near, { hub: "b", id: "1" });
  link.run(new Uint8Array());
  const closing = link.close("This hub goes away");
  const buffer = new Uint8Array(1_000);
  while (await far.read(buffer) !== null); // Its last words.
  await far.closeWrite();
  await closing;
  await assert.rejects(near.read(buffer), Deno.errors.BadResource);
  // A second time it is as good.
  await link.close("again");
  far.close();
});
