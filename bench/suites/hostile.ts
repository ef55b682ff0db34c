/**
 * The suite `hostile`: what an honest operator feels while somebody attacks the hub. The hub and the
 * attackers are processes of their own; attackers keep to the rate that is printed, since on a small
 * machine they compete with the hub for its processor. `--size 0.2` makes each attack shorter.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { Program } from "../program.ts";
import { type RunningHub, startHub } from "../hub_under_test.ts";
import { serveEcho } from "../lean/echo.ts";
import { openTunnel } from "../lean/tunnel.ts";
import type { SuiteOptions, SuiteResult } from "../suite.ts";
import { figure, median, table } from "../table.ts";
import { type Attack, ATTACKS } from "./hostile/attacks.ts";
import type { AttackOptions } from "./hostile/attacker.ts";
import { callHonestly } from "./hostile/honest.ts";

const SECONDS = 10;
const SERVER = "bench";
const MAX_MEMORY_MIB = 512;
/** Fewer than B12 has sockets, and four times what a shell gives a program. */
const MAX_FILES = 4_096;
/** What some servers take of a header list: B6 sends more. */
const MAX_HEADER_LIST_BYTES = 8_192;
/** Goals, in the table's units. */
const MAX_MEDIAN_MS = 10;
const MAX_SLOWEST_MS = 150;
const LOOK_MS = 100;
/** The audit is on disk a moment after a call. */
const AUDIT_MS = 500;

/** What one attack did to others. */
interface Row {
  readonly name: string;
  readonly attackers: string;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly slowestMs: number;
  readonly calls: number;
  readonly failed: number;
  readonly why: string | undefined;
  readonly memoryMiB: number;
  readonly peakMiB: number;
  readonly auditLost: number;
  readonly missed: readonly string[];
}

const tokenOf = (who: string) =>
  createHash("sha256").update(`bench ${who} ${Deno.pid}`).digest("hex");
const hashOf = (who: string) => `sha256:${createHash("sha256").update(tokenOf(who)).digest("hex")}`;

const AUTH = `
version: 1
servers:
  - { id: ${SERVER}, tokens: ["${hashOf(SERVER)}"], names: ${SERVER} }
  - { id: fleet, tokens: ["${hashOf("fleet")}"], names: edge-* }
operators:
  - id: honest
    tokens: ["${hashOf("honest")}"]
    rules: [{ servers: "**", methods: "*", effect: allow }]
  - id: other
    tokens: ["${hashOf("other")}"]
    rules: [{ servers: "**", methods: "*", effect: allow }]
  - id: limited
    tokens: ["${hashOf("limited")}"]
    rules: []
`;

/** What all attacks have in common. */
interface World {
  readonly hub: RunningHub;
  readonly authFile: string;
  readonly auditLog: string;
  readonly seconds: number;
}

export async function hostile({ size, log, signal }: SuiteOptions): Promise<SuiteResult> {
  const folder = await Deno.makeTempDir({ prefix: "ghub-hostile-" });
  const rows: Row[] = [];
  const authFile = `${folder}/auth.yaml`;
  const auditLog = `${folder}/audit.jsonl`;
  const seconds = Math.max(1, SECONDS * size);
  try {
    await Deno.writeTextFile(authFile, AUTH, { mode: 0o600 });
    // One for all of them: what an attack leaves behind, the next one finds.
    await using hub = await startHub({
      maxFiles: MAX_FILES,
      args: [
        ...["--auth-file", authFile, "--audit-log", auditLog, "--allow-plaintext-calls"],
        ...["--max-memory", `${MAX_MEMORY_MIB}MiB`, "--metrics-listen", "127.0.0.1:0"],
      ],
    });
    const token = `Authorization: Bearer ${tokenOf(SERVER)}`;
    const server = await openTunnel(hub.tunnelUri, SERVER, [token]);
    if (!("wire" in server)) throw new Error(`The bench's own server is refused: ${server.head}`);
    serveEcho(server.wire, { maxHeaderListBytes: MAX_HEADER_LIST_BYTES }).ended.catch(() => {});
    for (const attack of ATTACKS) {
      if (signal.aborted) break;
      log(attack.name);
      try {
        rows.push(await suffer(attack, { hub, authFile, auditLog, seconds }));
      } catch (error) {
        // An interrupted run shows what it has.
        if (!signal.aborted) throw error;
      }
    }
    server.wire.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return { figures: rows, text: text(rows), missed: rows.flatMap(({ missed }) => missed).length };
}

async function suffer(attack: Attack, world: World): Promise<Row> {
  const { hub, authFile, auditLog, seconds } = world;
  const honest = { address: hub.callAddress, server: SERVER, token: tokenOf("honest") };
  await callHonestly({ ...honest, seconds: Math.min(1, seconds) });
  await new Promise((resolve) => setTimeout(resolve, AUDIT_MS));
  const before = await hub.program.usage();
  let peak = before.rssBytes;
  const look = setInterval(async () => {
    const usage = await hub.program.usage().catch(() => undefined);
    peak = Math.max(peak, usage?.rssBytes ?? 0);
  }, LOOK_MS);
  const rewrite = (second: number) => {
    if (attack.authFile === undefined) return;
    // As tools do that replace files: there is never half of it.
    Deno.writeTextFileSync(`${authFile}.new`, attack.authFile(AUTH, second), { mode: 0o600 });
    Deno.renameSync(`${authFile}.new`, authFile);
  };
  let second = 0;
  const writing = setInterval(() => rewrite(++second), 1_000);
  try {
    rewrite(0);
    await using attackers = attack.kind === undefined
      ? undefined
      : await startAttack(hub, { ...attack, kind: attack.kind, seconds: seconds + 1 });
    void attackers;
    const linesBefore = await honestLines(auditLog);
    const { latenciesMs, failed, why } = await callHonestly({ ...honest, seconds });
    await new Promise((resolve) => setTimeout(resolve, AUDIT_MS));
    const lines = await honestLines(auditLog) - linesBefore;
    return judge(attack, {
      latenciesMs,
      failed,
      why,
      memoryMiB: before.rssBytes / 2 ** 20,
      peakMiB: peak / 2 ** 20,
      auditLost: Math.max(0, latenciesMs.length - lines),
    });
  } finally {
    clearInterval(look);
    clearInterval(writing);
    if (attack.authFile !== undefined) await Deno.writeTextFile(authFile, AUTH);
  }
}

async function startAttack(
  hub: RunningHub,
  attack: Attack & Pick<AttackOptions, "kind" | "seconds">,
): Promise<Program> {
  const options: AttackOptions = {
    kind: attack.kind,
    calls: hub.callAddress,
    tunnels: new URL(hub.tunnelUri).host,
    metrics: hub.metricsAddress ?? hub.callAddress,
    seconds: attack.seconds,
    connections: attack.connections ?? 1,
    perSecond: attack.perSecond ?? 1,
    ...(attack.as !== undefined && { token: tokenOf(attack.as) }),
  };
  const { program } = await Program.start(
    "bench/suites/hostile/attacker.ts",
    [JSON.stringify(options)],
    { ready: /^attacker ready/m },
  );
  return program;
}

/** Lines of the honest operator's calls, in the file and those that were put aside. */
async function honestLines(path: string): Promise<number> {
  let lines = 0;
  for (let i = 0;; i++) {
    const file = await Deno.readTextFile(i === 0 ? path : `${path}.${i}`).catch(() => undefined);
    if (file === undefined) return lines;
    lines += file.split("\n").filter((line) => line.includes('"who":"honest"')).length;
  }
}

type Measured =
  & Pick<Row, "failed" | "why" | "memoryMiB" | "peakMiB" | "auditLost">
  & { readonly latenciesMs: readonly number[] };

function judge({ name, connections, perSecond, unit = "" }: Attack, measured: Measured): Row {
  const { latenciesMs, failed, memoryMiB, peakMiB, auditLost } = measured;
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  const medianMs = sorted.length === 0 ? Infinity : median(sorted);
  const slowestMs = sorted.at(-1) ?? Infinity;
  const goals: [string, boolean][] = [
    [`median ≤ ${MAX_MEDIAN_MS} ms`, medianMs <= MAX_MEDIAN_MS],
    [`slowest ≤ ${MAX_SLOWEST_MS} ms`, slowestMs <= MAX_SLOWEST_MS],
    ["no call fails", failed === 0],
    [`memory ≤ ${MAX_MEMORY_MIB} MiB`, peakMiB <= MAX_MEMORY_MIB],
    ["no audit line is lost", auditLost === 0],
  ];
  const at = connections === undefined ? "" : `${connections} at a time`;
  const rate = perSecond === undefined ? "" : `, ${figure(perSecond)} ${unit}/s`;
  return {
    name,
    attackers: at + rate,
    medianMs,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? Infinity,
    slowestMs,
    calls: sorted.length,
    failed,
    why: measured.why,
    memoryMiB,
    peakMiB,
    auditLost,
    missed: goals.filter(([, holds]) => !holds).map(([goal]) => goal),
  };
}

function text(rows: readonly Row[]): string {
  const lines = table([
    [
      "hostile",
      "attackers",
      "median ms",
      "p99",
      "slowest",
      "calls",
      "failed",
      "MiB",
      "peak",
      "lost",
    ],
    ...rows.map((row) => [
      row.name,
      row.attackers,
      figure(row.medianMs),
      figure(row.p99Ms),
      figure(row.slowestMs),
      String(row.calls),
      String(row.failed),
      figure(row.memoryMiB),
      figure(row.peakMiB),
      String(row.auditLost),
    ]),
  ]);
  const missed = rows.flatMap(({ name, missed, why }) =>
    missed.map((goal) => `MISSED ${name}: ${goal}${why === undefined ? "" : ` (${why})`}`)
  );
  return [lines, ...missed].join("\n");
}
