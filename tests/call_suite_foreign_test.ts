/**
 * The call suite with gRPC of others at the other end: grpcio (Python, on gRPC's C core) and grpc-go. Our
 * client calls their server, and theirs ours; both once more through the hub.
 *
 * @module
 */
import { callSuite } from "./call_suite.ts";
import { FOREIGN_MANY, ForeignCaller } from "./support/foreign_caller.ts";
import { type ForeignStack, grpcGo, grpcio } from "./support/foreign_programs.ts";
import { foreignPath, ownPath } from "./support/own_echo_client.ts";
import { type Habits, plainPath } from "./support/path.ts";
import { connectPath } from "./support/raw_path.ts";
import { Process, source } from "./support/process.ts";
import { World } from "./support/world.ts";

/** How their servers answer where gRPC leaves it to them. */
const HABITS: Readonly<Record<ForeignStack["name"], Habits>> = {
  "grpcio": { noMethod: "Method not found!", keeps: ["grpc-tags-bin"], foreignType: "takes" },
  "grpc-go": { noMethod: "unknown method Nope for service echo.v1.Echo", foreignType: "refuses" },
};

for (const stack of [grpcio, grpcGo]) {
  const ignore = stack.isMissing;
  // Ten thousand messages would take a Python server as long as all the rest.
  const served = { habits: HABITS[stack.name], many: FOREIGN_MANY };

  Deno.test({
    name: `the call suite holds for the client of this project, to ${stack.name}`,
    ignore,
    async fn(t) {
      await using server = await stack.serve();
      const path = { ...plainPath(`${stack.name} server`, server.address), ...served };
      await callSuite(t, ownPath(path, server.address));
    },
  });

  Deno.test({
    name: `the call suite holds for ${stack.name}, to the server of this project`,
    ignore,
    async fn(t) {
      await using echo = Process.deno("echo", source("tests/support/own_echo_server.ts"));
      const [, address = ""] = await echo.line(/^echo ready address=(\S+)$/);
      await using caller = await ForeignCaller.start(stack, address);
      const path = { ...plainPath("own server", address), compresses: false };
      await callSuite(t, foreignPath(path, caller));
    },
  });

  Deno.test({
    name: `the call suite holds through the hub, to ${stack.name} and from it`,
    ignore,
    async fn(t) {
      await using server = await stack.serve();
      await using world = await World.start({
        servers: [{ name: "edge-1", expose: { echo: server.address } }],
      });
      await callSuite(t, ownPath({ ...world.path("edge-1/echo"), ...served }, world.callAddress));
      await using caller = await ForeignCaller.start(stack, world.callAddress);
      await callSuite(t, foreignPath(world.path("edge-1"), caller));
    },
  });

  Deno.test({
    name: `${stack.name} calls through the hub as its HTTP proxy`,
    ignore,
    async fn(t) {
      await using world = await World.start();
      const proxy = `http://${world.callAddress}`;
      const env = { http_proxy: proxy, https_proxy: proxy, no_proxy: "" };
      await using caller = await ForeignCaller.start(stack, "edge-1:443", env);
      const path = connectPath(world.callAddress, "edge-1");
      await callSuite(t, foreignPath(path, caller), ["kinds", "metadata"]);
    },
  });
}
