import { callSuite } from "./call_suite.ts";
import { ownPath } from "./support/own_echo_client.ts";
import { plainPath } from "./support/path.ts";
import { Process, source } from "./support/process.ts";
import { connectPath, handshakePath } from "./support/raw_path.ts";
import { World } from "./support/world.ts";

Deno.test("the call suite holds on a direct connection", async (t) => {
  await using echo = Process.deno("echo", source("tests/support/echo_server.ts"));
  const [, address] = await echo.line(/^echo ready address=(\S+)$/);
  await callSuite(t, plainPath("direct", address!));
});

Deno.test("the call suite holds through the hub, to a server that knows nothing of hubs", async (t) => {
  await using world = await World.start({ servers: [{ name: "plain", program: "plain" }] });
  await callSuite(t, world.path("plain"));
});

Deno.test("the call suite holds through the hub, routed", async (t) => {
  await using world = await World.start({ tls: true });
  await callSuite(t, world.path("edge-1"));
});

Deno.test("the call suite holds through the hub, raw by JSON handshake", async (t) => {
  await using world = await World.start();
  await using path = await handshakePath(world.callAddress, "edge-1");
  await callSuite(t, path);
});

Deno.test("the call suite holds through the hub, raw by CONNECT", async (t) => {
  await using world = await World.start();
  await callSuite(t, connectPath(world.callAddress, "edge-1"));
});

Deno.test("the call suite holds through the hub, to an exposed upstream", async (t) => {
  await using world = await World.start({ servers: [] });
  const address = await world.startUpstream();
  await world.startServer({ name: "edge-1", expose: { echo: address } });
  await callSuite(t, world.path("edge-1/echo"));
  await using raw = await handshakePath(world.callAddress, "edge-1/echo");
  await callSuite(t, raw);
});

Deno.test("the call suite holds for the client of this project, on a direct connection to grpc-js", async (t) => {
  await using echo = Process.deno("echo", source("tests/support/echo_server.ts"));
  const [, address] = await echo.line(/^echo ready address=(\S+)$/);
  await callSuite(t, ownPath(plainPath("direct", address!), address!));
});

Deno.test("the call suite holds for the server of this project, for grpc-js and for our client", async (t) => {
  await using echo = Process.deno("echo", source("tests/support/own_echo_server.ts"));
  const [, address] = await echo.line(/^echo ready address=(\S+)$/);
  const path = { ...plainPath("own server", address!), compresses: false };
  await callSuite(t, path);
  await callSuite(t, ownPath(path, address!));
});

Deno.test("the call suite holds for the client of this project, through the hub", async (t) => {
  await using world = await World.start();
  await callSuite(t, ownPath(world.path("edge-1"), world.callAddress));
});
