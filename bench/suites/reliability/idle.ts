/**
 * Ten thousand tunnels that only keep themselves alive, as servers do: a ping each five seconds
 * from either end. And some with TLS, to tell what that costs.
 *
 * @module
 */
import { generateCertificate } from "../../../shared/tls/generate.ts";
import { startHub } from "../../hub_under_test.ts";
import { Program } from "../../program.ts";
import { atMost, type Part, type PartOptions, row, sleep } from "../../part.ts";

const TUNNELS = 10_000;
const TUNNELS_WITH_TLS = 2_000;
/** The highest that memory gets shows only after some collections. */
const HOLD_S = 60;
const HOLD_WITH_TLS_S = 30;
const TELL_EVERY_S = 10;
const MAX_MIB = 300;
/** Besides tunnels: listeners, files, callers. */
const OTHER_FILES = 100;
const HANDSHAKES_PER_S = 10_000;

export const idle: Part = {
  id: "idle",
  name: "idle tunnels",
  seconds: 125,
  async run(options) {
    const { some, log } = options;
    const count = some(TUNNELS);
    const what = `${count} idle tunnels: memory of the hub`;
    const files = await maxOpenFiles();
    if (files < count + OTHER_FILES) {
      log(
        `not measured: ${count} tunnels need ${count + OTHER_FILES} open files, and this shell ` +
          `allows ${files}. Raise it (ulimit -n ${count + OTHER_FILES}) and run this again`,
      );
      return [row(what, NaN, "MiB", atMost(MAX_MIB))];
    }
    const plain = await hold({ count, forS: some(HOLD_S), ...options });
    await using stack = new AsyncDisposableStack();
    const dir = await Deno.makeTempDir({ prefix: "ghub-bench-tls-" });
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    const certificate = await writeCertificate(dir);
    const withTls = await hold({
      count: some(TUNNELS_WITH_TLS),
      forS: some(HOLD_WITH_TLS_S),
      certificate,
      ...options,
    });
    return [
      row(what, plain.mib, "MiB", atMost(MAX_MIB)),
      row("  the highest since its start", plain.highestMib, "MiB", atMost(MAX_MIB)),
      row("  per tunnel", plain.kibPerTunnel, "KiB"),
      row("  processor time of the hub", plain.cpuPercent, "%"),
      row(`${some(TUNNELS_WITH_TLS)} with TLS: per tunnel`, withTls.kibPerTunnel, "KiB"),
    ];
  },
};

interface Files {
  readonly certFile: string;
  readonly keyFile: string;
}

interface HoldOptions extends PartOptions {
  readonly count: number;
  readonly forS: number;
  /** Tunnels with TLS. */
  readonly certificate?: Files;
}

/** Opens tunnels, and looks at the hub when they have been there for some time. */
async function hold({ count, forS, certificate, log, signal }: HoldOptions) {
  const tls = certificate === undefined
    ? []
    : ["--tls", "--tls-cert-file", certificate.certFile, "--tls-key-file", certificate.keyFile];
  await using hub = await startHub({
    args: ["--max-handshakes-per-second", String(HANDSHAKES_PER_S), ...tls],
  });
  const empty = await hub.program.usage();
  log(`opening ${count} tunnels${certificate === undefined ? "" : " with TLS"}`);
  const { program } = await Program.start(
    "bench/idle_tunnels.ts",
    [hub.tunnelUri, String(count)],
    {
      ready: /^tunnels ready /m,
      flags: certificate === undefined ? [] : ["--cert", certificate.certFile],
    },
  );
  await using _tunnels = program;
  const open = await hub.program.usage();
  for (let left = forS; left > 0; left -= TELL_EVERY_S) {
    await sleep(Math.min(left, TELL_EVERY_S) * 1_000, signal);
    const { rssBytes } = await hub.program.usage();
    log(`memory of the hub ${(rssBytes / 2 ** 20).toFixed(0)} MiB`);
  }
  const held = await hub.program.usage();
  return {
    mib: held.rssBytes / 2 ** 20,
    highestMib: held.peakRssBytes / 2 ** 20,
    kibPerTunnel: (held.rssBytes - empty.rssBytes) / count / 1024,
    cpuPercent: (held.cpuUs - open.cpuUs) / (forS * 1e6) * 100,
  };
}

async function writeCertificate(dir: string): Promise<Files> {
  const { cert, key } = await generateCertificate(["127.0.0.1"]);
  const [certFile, keyFile] = [`${dir}/hub.crt`, `${dir}/hub.key`];
  await Deno.writeTextFile(certFile, cert);
  await Deno.writeTextFile(keyFile, key, { mode: 0o600 });
  return { certFile, keyFile };
}

/** What a program that we start may open. */
async function maxOpenFiles(): Promise<number> {
  const limits = await Deno.readTextFile("/proc/self/limits");
  return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Infinity);
}
