/**
 * gserver with the Echo service, and an ear at its HTTP/2: it tells of each stream that comes, on
 * tunnels and in raw connections alike, before anything else looks at it.
 *
 *     saw {"server":"edge-1","path":"/echo.v1.Echo/Unary","headers":{…}}
 *
 * @module
 */
import http2 from "node:http2";
import { createProgram } from "../../server/main.ts";
import { runProgram } from "../../shared/cli/program.ts";
import { addEcho } from "./echo.ts";
import { isGreeting } from "./witness.ts";

const [, name] = Deno.args;
const { createServer } = http2;
http2.createServer = ((...options: Parameters<typeof createServer>) => {
  const server = createServer(...options);
  server.prependListener("stream", (_stream, headers) => {
    if (isGreeting(headers)) return;
    console.log(`saw ${JSON.stringify({ server: name, path: headers[":path"], headers })}`);
  });
  return server;
}) as typeof createServer;

const program = createProgram({ services: [{ name: "echo.v1.Echo", addTo: addEcho }] });

Deno.exit(await runProgram(program, Deno.args));
