/**
 * Runs a hub under churn, cancels and big streams, and tells what grows.
 *
 *     deno task soak
 *     deno task soak --minutes 1
 *
 * @module
 */
import {
  type CallOptions,
  Client,
  credentials,
  Metadata,
  type MethodDefinition,
} from "@grpc/grpc-js";
import { defineCommand, type Program, runProgram, UsageError } from "../shared/cli/program.ts";
import type {
  echo_v1_EchoRequest as EchoRequest,
  echo_v1_EchoResponse as EchoResponse,
} from "../shared/gen/types.ts";
import { serviceDefinition } from "../shared/grpc/service.ts";
import { VERSION } from "../shared/version.ts";
import { Fleet } from "./fleet.ts";
import { type RunningHub, startHub } from "./hub_under_test.ts";
import { HubWatch } from "./suites/reliability/hub_watch.ts";
import { figure, table } from "./table.ts";

const SERVERS = 50;
const CALLERS = 10;
const STREAMERS = 3;
const KILLS_PER_S = 2;
const SAMPLE_EVERY_MS = 1_000;
/** What is looked at begins here: caches are full by then. */
const WARM_SHARE = 0.3;
/** Each caller's connection makes so many calls, then it is a new one. */
const CALLS_PER_CONNECTION = 200;
const MEBIBYTE = 2 ** 20;

type EchoMethod = MethodDefinition<EchoRequest, EchoResponse>;
const { Unary, ServerStream } = serviceDefinition("echo.v1.Echo") as Record<
  "Unary" | "ServerStream",
  EchoMethod
>;

interface Sample {
  readonly atMs: number;
  readonly rssBytes: number;
  readonly files: number;
}

const counts = { unary: 0, cancelled: 0, streams: 0, streamedBytes: 0, kills: 0 };

function metadataFor(fleet: Fleet): Metadata {
  const metadata = new Metadata();
  metadata.set("x-hub-server", fleet.members[Math.floor(Math.random() * SERVERS)]!.name);
  return metadata;
}

function connect(hub: RunningHub): Client {
  return new Client(hub.callAddress, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
}

const options = (): CallOptions => ({ deadline: Date.now() + 10_000 });

/** Unary calls of all sizes; each third one is cancelled at some moment. */
async function makeCalls(hub: RunningHub, fleet: Fleet, endMs: number): Promise<void> {
  while (performance.now() < endMs) {
    const client = connect(hub);
    for (let i = 0; i < CALLS_PER_CONNECTION && performance.now() < endMs; i++) {
      await new Promise<void>((resolve) => {
        const data = new Uint8Array(Math.floor(Math.random() ** 4 * 100_000));
        const call = client.makeUnaryRequest(
          Unary.path,
          Unary.requestSerialize,
          Unary.responseDeserialize,
          { data },
          metadataFor(fleet),
          options(),
          () => resolve(),
        );
        counts.unary++;
        if (i % 3 !== 0) return;
        counts.cancelled++;
        setTimeout(() => call.cancel(), Math.random() * 5);
      });
    }
    client.close();
  }
}

/** Streams of megabytes, each cut somewhere. */
async function makeStreams(hub: RunningHub, fleet: Fleet, endMs: number): Promise<void> {
  while (performance.now() < endMs) {
    const client = connect(hub);
    await new Promise<void>((resolve) => {
      const stream = client.makeServerStreamRequest(
        ServerStream.path,
        ServerStream.requestSerialize,
        ServerStream.responseDeserialize,
        { count: 1_000_000, size: 64 * 1024 },
        metadataFor(fleet),
        options(),
      );
      let left = Math.random() * 32 * MEBIBYTE;
      stream.on("data", ({ data }: EchoResponse) => {
        const bytes = data?.length ?? 0;
        counts.streamedBytes += bytes;
        if ((left -= bytes) < 0) stream.cancel();
      });
      stream.on("error", () => {});
      stream.on("status", () => resolve());
      counts.streams++;
    });
    client.close();
  }
}

async function sample(hub: RunningHub, samples: Sample[]): Promise<void> {
  const { rssBytes } = await hub.program.usage();
  const files = [...Deno.readDirSync(`/proc/${hub.program.pid}/fd`)].length;
  samples.push({ atMs: performance.now(), rssBytes, files });
}

/** Per hour, by least squares. */
function slope(samples: readonly Sample[], of: (sample: Sample) => number): number {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanMs = mean(samples.map(({ atMs }) => atMs));
  const meanValue = mean(samples.map(of));
  let [up, down] = [0, 0];
  for (const one of samples) {
    up += (one.atMs - meanMs) * (of(one) - meanValue);
    down += (one.atMs - meanMs) ** 2;
  }
  return up / down * 3_600_000;
}

async function soak(minutes: number, log: (line: string) => void): Promise<string> {
  await using hub = await startHub();
  const fleet = new Fleet(hub.tunnelUri, { name: "soak", count: SERVERS });
  const samples: Sample[] = [];
  const startMs = performance.now();
  const endMs = startMs + minutes * 60_000;
  {
    await using _fleet = fleet;
    const timers = [
      setInterval(() => void sample(hub, samples), SAMPLE_EVERY_MS),
      setInterval(() => {
        counts.kills++;
        fleet.members[Math.floor(Math.random() * SERVERS)]!.wire?.close();
      }, 1_000 / KILLS_PER_S),
      setInterval(() => log(JSON.stringify(counts)), 30_000),
    ];
    await Promise.all([
      ...Array.from({ length: CALLERS }, () => makeCalls(hub, fleet, endMs)),
      ...Array.from({ length: STREAMERS }, () => makeStreams(hub, fleet, endMs)),
    ]);
    for (const timer of timers) clearInterval(timer);
  }
  // With everybody gone, what is left is what was forgotten.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  await sample(hub, samples);
  using watch = new HubWatch(hub.callAddress);
  const warm = samples.slice(0, -1).filter(({ atMs }) =>
    atMs - startMs > WARM_SHARE * (endMs - startMs)
  );
  const [first, last, rest] = [warm.at(0), warm.at(-1), samples.at(-1)];
  if (first === undefined || last === undefined || rest === undefined) return "Too short";
  const mib = (sample: Sample) => sample.rssBytes / MEBIBYTE;
  const files = (sample: Sample) => sample.files;
  return table([
    ["hub", "warm", "at the end", "slope per hour", "with nobody there"],
    ...([["memory, MiB", mib], ["open files", files]] as const).map(([what, of]) => [
      what,
      figure(of(first)),
      figure(of(last)),
      figure(slope(warm, of)),
      figure(of(rest)),
    ]),
    ["tunnels", "", "", "", String(await watch.online())],
  ]) + `\n\n${JSON.stringify(counts)}`;
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
    examples: ["deno task soak", "deno task soak --minutes 1"],
    options: {
      minutes: {
        flag: "--minutes",
        value: "N",
        parse: parseMinutes,
        default: 10,
        help: "How long",
      },
    },
    async run({ options: { minutes }, io }) {
      const text = await soak(minutes, (line) => void io.stderr.write(`${line}\n`));
      await io.stdout.write(`${text}\n`);
      return 0;
    },
  })],
};

if (import.meta.main) Deno.exit(await runProgram(program, Deno.args));
