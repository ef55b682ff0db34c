/**
 * Runs a hub under churn, cancels and big streams, and tells what grows.
 *
 *     deno task soak
 *     deno task soak --minutes 1
 *
 * @module
 */
import { runProgram, UsageError } from "../../shared/cli/program.ts";
import { defineCommand, type Program } from "../../shared/cli/command.ts";
import { VERSION } from "../../shared/version.ts";
import { Executables } from "../executables.ts";
import { Fleet } from "../fleet.ts";
import { type RunningHub, startHub } from "../hub_under_test.ts";
import { Program as Started } from "../program.ts";
import { HubWatch } from "../suites/reliability/hub_watch.ts";
import { figure, table } from "../table.ts";
import { Load } from "./load.ts";
import { slopeOf } from "./slope.ts";

const SERVERS = 50;
const SAMPLE_EVERY_MS = 2_000;
const TELL_EVERY_MS = 30_000;
/** What is looked at begins here: code is compiled and pools are full by then. */
const WARM_SHARE = 0.3;
/** Samples that a slope needs to mean anything. */
const MIN_SAMPLES = 5;
/** Closed sockets say goodbye for a second. */
const GOODBYE_MS = 3_000;
const MEBIBYTE = 2 ** 20;
const HOUR_MS = 3_600_000;

interface Sample {
  readonly atMs: number;
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly files: number;
  readonly handles: number;
}

/** What is watched. */
interface Measure {
  readonly name: string;
  of(sample: Sample): number;
  /** Growth from the first to the last sample that is none. */
  readonly flat: number;
  /** Whether it must be as before when everybody has gone. */
  readonly exact: boolean;
}

const MEASURES: readonly Measure[] = [
  {
    name: "heap after collection, MiB",
    of: ({ heapBytes }) => heapBytes / MEBIBYTE,
    flat: 1,
    exact: false,
  },
  {
    name: "memory of the process, MiB",
    of: ({ rssBytes }) => rssBytes / MEBIBYTE,
    flat: 10,
    exact: false,
  },
  { name: "open files", of: ({ files }) => files, flat: 2, exact: true },
  { name: "handles", of: ({ handles }) => handles, flat: 2, exact: true },
];

async function sample({ program }: RunningHub): Promise<Sample> {
  const { heapBytes, bufferBytes, handles } = await program.inspector.held();
  const { rssBytes } = await program.usage();
  return {
    atMs: performance.now(),
    heapBytes: heapBytes + bufferBytes,
    rssBytes,
    files: program.files(),
    handles,
  };
}

/** A soak's result: text, and whether something grew or was forgotten. */
interface Result {
  readonly text: string;
  readonly good: boolean;
}

interface SoakOptions {
  readonly minutes: number;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

async function soak({ minutes, log, signal }: SoakOptions): Promise<Result> {
  await using hub = await startHub({ inspect: true });
  {
    // Once around, so that what is opened at the first tunnel counts as there.
    await using fleet = new Fleet(hub.tunnelUri, { name: "first", count: 1 });
    while (fleet.registered < 1) await pause(50, signal);
  }
  await pause(GOODBYE_MS);
  const empty = await sample(hub);
  const startMs = performance.now();
  const ends = AbortSignal.any([signal, AbortSignal.timeout(minutes * 60_000)]);
  const samples: Sample[] = [];
  const load = await underLoad(hub, { ends, samples, log, minutes });
  // With everybody gone, what is left is what was forgotten.
  await pause(GOODBYE_MS);
  const left = await sample(hub);
  using watch = new HubWatch(hub.callAddress);
  const online = await watch.online();
  const ranMs = performance.now() - startMs;
  const warm = samples.filter(({ atMs }) => atMs - startMs > WARM_SHARE * ranMs);
  if (warm.length < MIN_SAMPLES) return { text: "Too short to tell what grows", good: false };
  const rows = MEASURES.map((measure) => rowOf(measure, { empty, warm, left }));
  const good = rows.every(({ good }) => good) && online === 0 && load.unexpected === 0;
  const text = table([
    ["hub", "before", "warm", "at the end", "slope per hour", "±", "nobody there", "verdict"],
    ...rows.map(({ cells }) => cells),
    ["tunnels", "0", "", "", "", "", String(online), online === 0 ? "ok" : "FORGOTTEN"],
  ]);
  const calls = load.unexpected === 0
    ? "each ended as it should"
    : `${load.unexpected} ended WRONG`;
  const ran = `${(ranMs / 60_000).toFixed(1)} minutes, ${signal.aborted ? "interrupted; " : ""}`;
  return { text: `${text}\n\n${ran}${load.summary}: ${calls}`, good };
}

async function underLoad(
  hub: RunningHub,
  { ends, samples, log, minutes }: Omit<SoakOptions, "signal"> & {
    readonly ends: AbortSignal;
    readonly samples: Sample[];
  },
): Promise<Load> {
  await using fleet = new Fleet(hub.tunnelUri, { name: "soak", count: SERVERS });
  const load = new Load(hub.callAddress, fleet, ends);
  const startMs = performance.now();
  const told = setInterval(() => {
    const after = ((performance.now() - startMs) / 60_000).toFixed(1);
    const { heapBytes = 0, rssBytes = 0, files = 0, handles = 0 } = samples.at(-1) ?? {};
    log(
      `${after} of ${minutes} min: heap ${(heapBytes / MEBIBYTE).toFixed(1)} MiB, memory ` +
        `${
          (rssBytes / MEBIBYTE).toFixed(0)
        } MiB, ${files} files, ${handles} handles; ${load.summary}`,
    );
  }, TELL_EVERY_MS);
  const sampling = (async () => {
    while (!ends.aborted) {
      samples.push(await sample(hub));
      await pause(SAMPLE_EVERY_MS, ends);
    }
  })();
  try {
    await Promise.all([load.run(), sampling]);
  } finally {
    clearInterval(told);
  }
  return load;
}

function rowOf(
  { name, of, flat, exact }: Measure,
  { empty, warm, left }: {
    readonly empty: Sample;
    readonly warm: readonly Sample[];
    readonly left: Sample;
  },
): { readonly cells: string[]; readonly good: boolean } {
  const { slope, error } = slopeOf(warm.map((sample) => [sample.atMs, of(sample)]));
  const [first, last] = [warm[0]!, warm.at(-1)!];
  // Twice the standard error: what chance does not explain.
  const growth = (slope - 2 * error) * (last.atMs - first.atMs);
  const verdict = growth > flat ? "GROWS" : exact && of(left) > of(empty) ? "FORGOTTEN" : "flat";
  const cells = [
    name,
    figure(of(empty)),
    figure(of(first)),
    figure(of(last)),
    figure(slope * HOUR_MS),
    figure(2 * error * HOUR_MS),
    figure(of(left)),
    verdict,
  ];
  return { cells, good: verdict === "flat" };
}

/** Waits, or less if the signal fires. */
function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
    if (signal?.aborted) done();
  });
}

function parseMinutes(text: string): number {
  const minutes = Number(text);
  if (minutes > 0 && Number.isFinite(minutes)) return minutes;
  throw new UsageError(`"${text}" is no positive number`);
}

export const program: Program = {
  name: "soak",
  envPrefix: "SOAK",
  version: VERSION,
  summary: "Runs a hub under churn, cancels and big streams, and tells what grows",
  defaultCommand: "run",
  commands: [defineCommand({
    name: "run",
    summary: "Runs, and prints the slopes",
    description: "Runs a hub under churn, cancels and big streams, and prints the slopes of what " +
      "it holds. Ctrl-C ends it early, with the slopes until then. Exit code 1: something grew, " +
      "was forgotten, or ended in a way that no call should.",
    examples: ["deno task soak", "deno task soak --minutes 1", "deno task soak --programs ."],
    options: {
      minutes: {
        flag: "--minutes",
        value: "N",
        parse: parseMinutes,
        default: 10,
        help: "How long",
      },
      programs: {
        flag: "--programs",
        value: "DIR",
        help: "Runs the executables in this folder in place of the sources",
      },
    },
    async run({ options: { minutes, programs }, io, signal }) {
      await using executables = programs === undefined ? undefined : await Executables.of(programs);
      Started.executables = executables;
      const log = (line: string) => void io.stderr.write(`soak: ${line}\n`);
      log(`takes ${minutes} minutes and some seconds; runs ${executables?.dir ?? "sources"}`);
      try {
        const { text, good } = await soak({ minutes, log, signal });
        await io.stdout.write(`${text}\n`);
        return good ? 0 : 1;
      } finally {
        await Started.endAll();
      }
    },
  })],
};

if (import.meta.main) Deno.exit(await runProgram(program, Deno.args));
