/**
 * A process that takes every call, whatever its path, and tells of it. It knows nothing of gRPC's
 * services, and of hubs only the way in.
 *
 *     serve NAME --hub-uri URI --token-file FILE --labels LABELS   on a tunnel
 *     listen NAME                                                  on a port of its own
 *
 *     saw {"server":"secret","path":"/echo.v1.Echo/Unary","headers":{…}}
 *
 * @module
 */
import type net from "node:net";
import { parseArgs } from "node:util";
import { type Sighting, Witness, witnessServer } from "./witness.ts";

const { positionals: [how, name = ""], values } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    "hub-uri": { type: "string", default: "" },
    "token-file": { type: "string" },
    labels: { type: "string" },
    "state-dir": { type: "string" },
  },
});
const { "hub-uri": uri, "token-file": tokenFile, labels } = values;
const seen = { push: (sighting: Sighting) => (console.log(`saw ${JSON.stringify(sighting)}`), 0) };

if (how === "listen") {
  const server = witnessServer(name, seen);
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as net.AddressInfo;
    console.log(`witness ready address=127.0.0.1:${port}`);
  });
} else {
  const token = tokenFile === undefined ? undefined : Deno.readTextFileSync(tokenFile).trim();
  const witness = await Witness.start({
    uri,
    name,
    seen,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(labels === undefined ? {} : { "x-hub-meta-labels": labels }),
    },
  });
  console.log(`gserver ready server=${name} hub=${uri}`);
  void witness.closed.then(() => Deno.exit(0));
}
Deno.addSignalListener("SIGTERM", () => Deno.exit(0));
