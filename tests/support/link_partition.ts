/**
 * Two hubs whose links are cut by dropped packets, while callers and servers reach both. Run in a network
 * of its own, as root:
 *
 *     unshare --net sh -c 'ip link set lo up && exec deno run -A tests/support/link_partition.ts'
 *
 * @module
 */
import assert from "node:assert/strict";
import { dialCalls, type Dialled, dialTunnel } from "../../hub/testing/dialled.ts";
import { LinkedHubs } from "../../hub/testing/linked_hubs.ts";
import { ANSWER, CALL, trailers } from "../../hub/testing/relayed.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { Process } from "./process.ts";
import { until } from "./until.ts";

async function nft(rules: string): Promise<void> {
  const { code, stderr } = await Process.output("nft", ["-f", "-"], { stdin: rules });
  assert.equal(code, 0, stderr);
}

/** A server that answers each call, or none. */
async function serve(address: string, name: string, answers: boolean): Promise<Dialled> {
  const server = await dialTunnel(address, name);
  const { recorder } = server;
  const welcomed = recorder.onEvent!;
  recorder.onEvent = (stream, event) => {
    welcomed(stream, event);
    if (!answers || event !== "request" || !recorder.log.at(-1)!.includes("Echo")) return;
    recorder.connection.headers(stream, ANSWER, false);
    recorder.connection.headers(stream, trailers(), true);
  };
  return server;
}

/** How a call ends, once it is sent. */
async function call(caller: Dialled, server: string): Promise<string> {
  const made = caller.recorder.request(encodeHeaderList([...CALL, ["x-hub-server", server]]));
  caller.flush();
  return await caller.heard(new RegExp(`^headers ${made.id} .*grpc-status=`));
}

await using hubs = await LinkedHubs.start({ a: {}, b: {} });
const [a, b] = [hubs.of("a"), hubs.of("b")];
await using one = await serve(b.hub.tunnelAddress, "one", true);
await using _silent = await serve(b.hub.tunnelAddress, "silent", false);
await using _both = await serve(b.hub.tunnelAddress, "both", true);
await using _here = await serve(a.hub.tunnelAddress, "both", true);
for (const name of ["one", "silent", "both"]) hubs.put(name, "b");
await using caller = await dialCalls(a.hub.callAddress);
const areLinked = () => [a, b].every(({ hub }) => hub.links?.up === 1);
await until("both links", areLinked);
assert.match(await call(caller, "one"), /grpc-status=0/);

const underWay = call(caller, "silent");
await until("the call at its server", () => _silent.recorder.log.some((line) => /Echo/.test(line)));
const ports = [a, b].map(({ hub }) => hub.peerAddress!.split(":").at(-1)).join(", ");
await nft(`
table ip cut {
  chain out {
    type filter hook output priority 0
    tcp dport { ${ports} } drop
    tcp sport { ${ports} } drop
  }
}
`);
const lost = await underWay;
assert.match(lost, /grpc-status=14/);
assert.match(lost, /x-hub-forwarded=1/, "nobody knows how far it came");
await until("both to notice", () => [a, b].every(({ hub }) => hub.links?.up === 0));
await until(
  "it to be cancelled at its server",
  () => _silent.recorder.log.some((line) => /^reset \d+ CANCEL peer/.test(line)),
);
const unreachable = await call(caller, "one");
assert.match(unreachable, /grpc-status=14 .*cannot be reached/);
assert.match(unreachable, /x-hub-forwarded=0/);
assert.match(await call(caller, "both"), /grpc-status=0/, "it has a tunnel at this side, too");
assert.ok(one.recorder.log.every((line) => !line.startsWith("goaway")), "no tunnel is cut");

await nft("flush chain ip cut out");
await until("both links again", areLinked);
assert.match(await call(caller, "one"), /grpc-status=0/);
const { forwarded } = a.hub.links!;
assert.deepEqual([forwarded.unknown, forwarded.refused], [1, 0]);
console.log("ok");
