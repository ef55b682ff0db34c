/**
 * The server of the suite `server`: gserver's own parts with an Echo, which also listens for direct
 * connections, and an upstream that it exposes.
 *
 *     deno run -A bench/server_end.ts NAME HUB-URI UPSTREAM-PORT [CA-FILE]
 *
 * Prints `server ready address=127.0.0.1:PORT` when it and its upstream are registered.
 *
 * @module
 */
import net from "node:net";
import type {
  echo_v1_EchoRequest as Req,
  echo_v1_EchoResponse as Res,
} from "../shared/gen/types.ts";
import { serverStream, unary } from "../shared/grpc/handlers.ts";
import { createGrpcServer } from "../server/serving/grpc_server.ts";
import { tunnelOrigin } from "../server/serving/origin.ts";
import { startServer } from "../server/server.ts";
import { toService } from "../server/serving/services.ts";

const [name = "", hubUri = "", port = "", caCertFile] = Deno.args;

const echo = toService("echo.v1.Echo", {
  implementation: {
    Unary: unary<Req, Res>(({ data }) => Promise.resolve({ ...(data !== undefined && { data }) })),
    ServerStream: serverStream<Req, Res>(async function* ({ count = 0, size = 0 }) {
      const data = new Uint8Array(size);
      for (let index = 0; index < count; index++) yield { data, index };
    }),
  },
});

const direct = createGrpcServer();
echo.addTo(direct.grpc);
const listener = net.createServer({ noDelay: true }, (socket) => {
  direct.inject(socket, tunnelOrigin(undefined));
});
await new Promise<void>((done) => listener.listen(0, "127.0.0.1", done));

const waiting = new Set([name, `${name}/plain`]);
await startServer({
  name,
  hubUri: new URL(hubUri),
  tls: { caCertFile },
  services: [echo],
  expose: [{ name: "plain", address: { host: "127.0.0.1", port: Number(port) } }],
  onState(agent, { state }) {
    if (state !== "serving" || !waiting.delete(agent) || waiting.size > 0) return;
    console.log(`server ready address=127.0.0.1:${(listener.address() as net.AddressInfo).port}`);
  },
});
