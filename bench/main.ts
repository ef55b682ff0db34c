/**
 * Measures the hub, compared with a direct connection.
 *
 *     deno task bench
 *     deno task bench --suite calls --seconds 4 --json figures.json
 *
 * @module
 */
import { cpus, release, type } from "node:os";
import { runProgram, UsageError } from "../shared/cli/program.ts";
import { defineCommand, type Program } from "../shared/cli/command.ts";
import { VERSION } from "../shared/version.ts";
import { Executables } from "./executables.ts";
import { Program as Started } from "./program.ts";
import type { Suite } from "./suite.ts";
import { calls } from "./suites/calls.ts";
import { cluster, PARTS as CLUSTER_PARTS } from "./suites/cluster.ts";
import { fluentd } from "./suites/fluentd.ts";
import { handshakes } from "./suites/handshakes.ts";
import { hostile } from "./suites/hostile.ts";
import { many } from "./suites/many.ts";
import { memory } from "./suites/memory.ts";
import { PARTS, reliability } from "./suites/reliability.ts";
import { scale } from "./suites/scale.ts";
import { server } from "./suites/server.ts";
import { start } from "./suites/start.ts";
import { workers } from "./suites/workers.ts";

const SUITES: Readonly<Record<string, Suite>> = {
  calls,
  server,
  memory,
  handshakes,
  scale,
  reliability,
  hostile,
  cluster,
  workers,
  fluentd,
  start,
  many,
};
/** What runs when no suite is named: all that ends within two minutes. */
const DEFAULT_SUITES = ["calls", "memory"];

/** Reads a positive number. */
function parsePositive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) {
    throw new UsageError(`"${text}" is no positive number`);
  }
  return value;
}

function parseCount(text: string): number {
  const value = parsePositive(text);
  if (!Number.isInteger(value)) throw new UsageError(`"${text}" is no whole number`);
  return value;
}

function parseShare(text: string): number {
  const value = parsePositive(text);
  if (value > 1) throw new UsageError(`"${text}" is more than 1, which is the full size`);
  return value;
}

/** When and where the figures were taken: without these they mean nothing. */
function circumstances(): { date: string; machine: string; version: string } {
  const processors = cpus();
  return {
    date: new Date().toISOString(),
    machine: `${processors.length} × ${processors[0]?.model ?? "unknown processor"}, ` +
      `${type()} ${release()}, Deno ${Deno.version.deno}`,
    version: VERSION,
  };
}

export const program: Program = {
  name: "bench",
  envPrefix: "BENCH",
  version: VERSION,
  summary: "Measures the hub, compared with a direct connection",
  defaultCommand: "run",
  commands: [defineCommand({
    name: "run",
    summary: "Runs suites and prints their figures",
    description: `Suites: ${Object.keys(SUITES).join(", ")}. Without --suite: ${
      DEFAULT_SUITES.join(", ")
    }. Exit code 1: a goal was missed.`,
    examples: [
      "deno task bench",
      "deno task bench --suite scale --seconds 1 --json scale.json",
      "deno task bench --suite reliability",
      "deno task bench --suite reliability --size 0.1",
      "deno task bench --suite reliability --programs .",
      "deno task bench --suite hostile --size 0.2",
      "deno task bench --suite cluster --size 0.05 --seconds 1 --rounds 1",
      "deno task bench --suite start --programs .",
      "deno task bench --suite many --programs .",
    ],
    options: {
      suites: {
        flag: "--suite",
        value: "NAME",
        many: true,
        choices: Object.keys(SUITES),
        help: "Runs this suite; may be repeated",
      },
      seconds: {
        flag: "--seconds",
        value: "N",
        parse: parsePositive,
        default: 2,
        help: "How long each measurement takes",
      },
      rounds: {
        flag: "--rounds",
        value: "N",
        parse: parseCount,
        default: 3,
        help: "How often all is measured; medians are shown",
      },
      size: {
        flag: "--size",
        value: "SHARE",
        parse: parseShare,
        default: 1,
        help: "Makes what the suites reliability, hostile and cluster do smaller: 0.1 is a tenth",
      },
      parts: {
        flag: "--part",
        value: "NAME",
        many: true,
        choices: [...PARTS, ...CLUSTER_PARTS].map(({ id }) => id),
        help: "Only this part of the suite reliability or cluster; may be repeated",
      },
      programs: {
        flag: "--programs",
        value: "DIR",
        help: "Measures the executables in this folder in place of the sources",
      },
      json: { flag: "--json", value: "FILE", help: "Also writes every figure to this file" },
    },
    async run({ options, io, signal }) {
      const { suites, seconds, rounds, size, parts, programs, json } = options;
      const names = suites.length > 0 ? suites : DEFAULT_SUITES;
      await using executables = programs === undefined ? undefined : await Executables.of(programs);
      Started.executables = executables;
      const where = { ...circumstances(), runs: executables?.dir ?? "sources" };
      await io.stdout.write(
        `ghub ${where.version} (${where.runs}), ${where.date}, ${where.machine}\n`,
      );
      const figures: Record<string, unknown> = {};
      let missed = 0;
      signal.addEventListener("abort", () => void Started.endAll(), { once: true });
      for (const name of names) {
        const log = (text: string) => void io.stderr.write(`${name}: ${text}\n`);
        const result = await SUITES[name]!({ seconds, rounds, size, parts, signal, log });
        figures[name] = result.figures;
        missed += result.missed ?? 0;
        await io.stdout.write(`\n${result.text}\n`);
        signal.throwIfAborted();
      }
      if (json !== undefined) {
        await Deno.writeTextFile(
          json,
          JSON.stringify({ ...where, seconds, rounds, size, figures }, null, 2) + "\n",
        );
      }
      return missed > 0 ? 1 : 0;
    },
  })],
};

if (import.meta.main) Deno.exit(await runProgram(program, Deno.args));
