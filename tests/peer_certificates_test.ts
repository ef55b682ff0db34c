/**
 * Hubs that prove themselves by certificates alone: made by the commands of docs/cluster.md, and renewed
 * while the hubs run.
 */
import assert from "node:assert/strict";
import { peerConfig } from "../hub/commands/peer_options.ts";
import { program } from "../hub/main.ts";
import { LinkedHubs } from "../hub/testing/linked_hubs.ts";
import { type Output, runProgram } from "../shared/cli/program.ts";
import { REPOSITORY } from "./support/process.ts";
import { until } from "./support/until.ts";

const QUIET: Output = { isTerminal: false, color: false, write: () => Promise.resolve() };

/** The lines of the document that make the certificates, and the one that renews hub-a's. */
async function commands(): Promise<string[][]> {
  const doc = await Deno.readTextFile(`${REPOSITORY}docs/cluster.md`);
  const lines = doc.split("\n").filter((line) => /^ghub cert .*\bpeer-ca\.crt\b/.test(line));
  assert.equal(lines.length, 3);
  return [...lines, "ghub cert make --ca peer-ca.crt --out hub-a-peer.crt --force"]
    .map((line) => line.match(/'[^']*'|\S+/g)!.slice(1).map((word) => word.replaceAll("'", "")));
}

Deno.test("hubs are linked by the certificates of docs/cluster.md, and use renewed ones", async () => {
  const dir = await Deno.makeTempDir();
  const run = async (line: string[]) => {
    const args = line.map((word) => word.endsWith(".crt") ? `${dir}/${word}` : word);
    const { signal } = new AbortController();
    const io = { stdout: QUIET, stderr: QUIET };
    assert.equal(await runProgram(program, args, { env: {}, io, signal }), 0, args.join(" "));
  };
  const peers = async (name: string) => {
    const values = {
      peerListen: { host: "127.0.0.1", port: 0 },
      peerAddress: undefined,
      peerSecretFile: undefined,
      peerCa: `${dir}/peer-ca.crt`,
      peerCertFile: `${dir}/${name}-peer.crt`,
      peerKeyFile: `${dir}/${name}-peer.key`,
    };
    const listen = ({ host, port }: typeof values.peerListen) => ({ hostname: host, port });
    return { ...await peerConfig(values, listen), secret: undefined };
  };
  try {
    const lines = await commands();
    const renew = lines.pop()!;
    for (const line of lines) await run(line);
    await using hubs = await LinkedHubs.start({
      a: { peers: await peers("hub-a") },
      b: { peers: await peers("hub-b") },
    });
    const { hub: a } = hubs.of("a");
    const { hub: b } = hubs.of("b");
    const links = () => [a.links?.up, b.links?.up];
    await until("both links", () => String(links()) === "1,1");
    await run(renew);
    const part = a.reloadParts.find(({ what }) => what.includes("of links"))!;
    await part.look(); // Unless the hub has looked by itself just now.
    assert.deepEqual(links(), [1, 1], "what stands goes on");
    hubs.tell(() => undefined);
    await until("no links", () => String(links()) === "0,0");
    hubs.tell();
    await until("links with the new certificate", () => String(links()) === "1,1");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
