/**
 * The call suite once more, with the caller at one hub and the server at another: what gRPC promises
 * holds over a link as well.
 */
import { LinkedHubs } from "../hub/testing/linked_hubs.ts";
import { generateCertificate } from "../shared/tls/generate.ts";
import { callSuite } from "./call_suite.ts";
import { pathWithoutFluentd } from "./support/fluentd.ts";
import { plainPath } from "./support/path.ts";
import { Process, source } from "./support/process.ts";
import { connectPath, handshakePath } from "./support/raw_path.ts";

/** Two hubs, and a server with an upstream at the second. */
async function begin(hubs: LinkedHubs<"a" | "b">, args: readonly string[] = []) {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "ghub-forwarded-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const upstream = stack.use(Process.deno("echo", source("tests/support/echo_server.ts")));
  const [, address = ""] = await upstream.line(/^echo ready address=(\S+)$/);
  const uri = hubs.of("b").hub.tunnelAddress;
  const server = stack.use(
    Process.deno("gserver", [
      ...source("tests/support/echo_gserver.ts"),
      ...["serve", "edge-1", "--hub-uri", uri, "--state-dir", `${dir}/edge-1`],
      ...["--expose", `echo=${address}`, ...args],
    ], { env: { HOME: dir, ...pathWithoutFluentd() } }),
  );
  for (let missing = 2; missing > 0; missing--) await server.line(/^gserver ready server=/);
  for (const name of ["edge-1", "edge-1/echo"]) hubs.put(name, "b");
  const all = stack.move();
  const callAddress = hubs.of("a").hub.callAddress;
  return { callAddress, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

const routed = (callAddress: string, server: string) =>
  plainPath(`forwarded to ${server}`, callAddress, {
    "x-hub-server": server,
    "x-hub-wait": "20s",
  });

Deno.test("the call suite holds through two hubs, routed and raw", async (t) => {
  await using hubs = await LinkedHubs.start({ a: {}, b: {} });
  await using world = await begin(hubs);
  const { callAddress } = world;
  await callSuite(t, routed(callAddress, "edge-1/echo"));
  await using raw = await handshakePath(callAddress, "edge-1");
  await callSuite(t, raw);
  await callSuite(t, connectPath(callAddress, "edge-1"));
});

Deno.test("the call suite holds through two hubs whose tunnels speak TLS", async (t) => {
  const pair = await generateCertificate(["localhost", "127.0.0.1"]);
  await using hubs = await LinkedHubs.start({ a: {}, b: { tunnelTls: pair } });
  const file = await Deno.makeTempFile({ suffix: ".crt" });
  await Deno.writeTextFile(file, pair.cert);
  try {
    await using world = await begin(hubs, ["--tls-ca-cert-file", file]);
    await callSuite(t, routed(world.callAddress, "edge-1"));
  } finally {
    await Deno.remove(file);
  }
});
