/**
 * `gclient top`: the servers of the hub as a table that stays true, until `q`.
 *
 *     look at the hub, each --interval  ─▶  TopList  ─▶  the lines that fit  ─▶  Screen
 *     keys, another size, a Fluentd's answer  ──▲
 *
 * @module
 */
import { delay } from "../../shared/async/delay.ts";
import { DURATION } from "../../shared/cli/parse_duration.ts";
import { formatHostPort } from "../../shared/cli/parse_host_port.ts";
import { type Options, type OptionValues, UsageError } from "../../shared/cli/program.ts";
import type { Command, Context } from "../../shared/cli/command.ts";
import type { ghub_v1_ListServersResponse as ListServersResponse } from "../../shared/gen/types.ts";
import { CallFailedError, type CallFailure } from "../call/failure.ts";
import { FluentdStates } from "../call/fluentd_states.ts";
import { look } from "../call/look.ts";
import { type CallRoute, planRoute, type RouteValues, shareChannels } from "../call/route.ts";
import { attemptServerList } from "../call/server_list.ts";
import { connectionNeeds, connectionOptions } from "../connect/connection_options.ts";
import { givenFlags } from "../connect/given_flags.ts";
import { colorStates, isColored } from "../print/color.ts";
import { EXIT_CODES_HELP, exitCodeOf } from "../print/exit_code.ts";
import { failureText } from "../print/failure_text.ts";
import { printOptions } from "../print/print_options.ts";
import { showProgress } from "../print/progress.ts";
import { Screen } from "../print/screen.ts";
import { topDocument, topLines, topRows, type TopServer, topTable } from "../print/top_table.ts";
import { selectorOptions, selectorText } from "./selector_options.ts";
import { TOP_COLUMNS, TopList } from "./top_list.ts";
import { WATCH_INTERVAL_MS } from "./watch.ts";

/** A hub is not asked more often: it may have thousands of servers to tell. */
const MIN_INTERVAL_MS = 500;
/** One question takes no longer. */
const ASK_TIMEOUT_MS = 10_000;

const topOptions = {
  sortBy: {
    flag: "--sort-by",
    value: "COLUMN",
    choices: TOP_COLUMNS,
    defaultText: "rate",
    help:
      "Shows in this order; by rate (calls per second) and now (calls now), the most comes first",
    group: "Output",
    perRun: true,
  },
  intervalMs: {
    flag: "--interval",
    ...DURATION,
    default: WATCH_INTERVAL_MS,
    help: "Asks the hub this often",
    perRun: true,
  },
  all: { flag: "--all", short: "-a", help: "Also shows servers that are away now" },
  fluentd: { flag: "--fluentd", help: "Also asks the servers how their Fluentd is", perRun: true },
  ...selectorOptions,
  once: {
    flag: "--once",
    help: "Prints one table and ends: two looks at the hub, an --interval apart, tell the rates",
    perRun: true,
  },
  format: {
    flag: "--response-format",
    short: "-o",
    value: "FORMAT",
    choices: ["table", "wide", "json"],
    defaultText: "table",
    help: "With --once: a table, one that is never cut, or one JSON object",
    group: "Output",
    perRun: true,
  },
  color: printOptions.color,
} as const satisfies Options;

type TopValues = OptionValues<typeof topOptions> & Omit<RouteValues, "quiet">;

export const topCommand: Command = {
  name: "top",
  summary: "Shows the servers and their calls, live, until q",
  description:
    "Shows the servers and their calls as the hub tells them, live, until q or Ctrl-C. " +
    "Keys: q ends, s sorts by the next column, r reverses, a shows servers that are away, arrows, " +
    "PageUp, PageDown, Home and End move. If the hub does not answer, the table stays and the third " +
    "line says why. Bytes are not shown: the hub tells them only when a call has ended " +
    "(gclient hub activity).",
  examples: [
    "gclient top",
    "gclient top -l env=prod --sort-by now --interval 5s",
    "gclient top --fluentd --all",
    "gclient top --once -o json",
  ],
  options: { ...topOptions, ...connectionOptions },
  needs: connectionNeeds,
  notes: EXIT_CODES_HELP,
  async run(context) {
    const values = context.options as TopValues;
    check(values, context);
    try {
      return await (values.once ? showOnce(values, context) : showLive(values, context));
    } catch (error) {
      if (!(error instanceof CallFailedError)) throw error;
      await context.io.stderr.write(failureText(error.failure));
      return exitCodeOf(error.failure.error.code);
    }
  },
};

/** @throws {UsageError} If options contradict each other, or there is no terminal. */
function check({ intervalMs, once, format, verbose }: TopValues, { io, env }: Context): void {
  if (intervalMs < MIN_INTERVAL_MS) {
    throw new UsageError(`--interval is at least ${MIN_INTERVAL_MS}ms`, {
      hint: `Write --interval ${MIN_INTERVAL_MS}ms or more`,
    });
  }
  if (once) return;
  if (format !== undefined) throw new UsageError("-o needs --once: a live table has one form");
  if (verbose) throw new UsageError("-v needs --once: it would write over the table");
  if (!io.stdout.isTerminal || env["TERM"] === "dumb") {
    throw new UsageError("A live table needs a terminal that can move its cursor", {
      hint: 'One table: "gclient top --once". One after the other: "gclient watch hub servers"',
    });
  }
}

/** One list of the hub, or why there is none. */
async function lookAt(route: CallRoute, context: Context) {
  const { timeoutMs = ASK_TIMEOUT_MS, selector, label } = context.options as TopValues;
  const place = {
    title: "top",
    flags: givenFlags(context.given),
    route,
    deadline: Date.now() + timeoutMs,
  };
  return await look<ListServersResponse>(place, {
    method: "ghub.v1.Hub/ListServers",
    fields: { includeOffline: true, selector: selectorText({ selector, label }) },
    attempt: attemptServerList,
  });
}

/** The first list: without one there is nothing to show. */
async function firstLook(route: CallRoute, context: Context): Promise<ListServersResponse> {
  const { timeoutMs: limitMs = ASK_TIMEOUT_MS } = context.options as TopValues;
  using _ = showProgress({ what: "top", limitMs, stderr: context.io.stderr });
  const { answer, passing } = await lookAt(route, context);
  if (passing !== undefined) throw new CallFailedError(passing);
  return answer;
}

async function showOnce(values: TopValues, context: Context): Promise<number> {
  const { intervalMs, format, color } = values;
  const { io: { stdout }, signal } = context;
  await using channels = new AsyncDisposableStack();
  const route = shareChannels(await planRoute(context, undefined), {
    channels,
    deadline: Infinity,
  });
  const list = new TopList(values);
  list.take(await firstLook(route, context));
  await delay(intervalMs, { signal });
  const { answer, passing } = await lookAt(route, context);
  if (passing !== undefined) throw new CallFailedError(passing);
  list.take(answer);
  const { shown } = list;
  const fluentd = new FluentdStates(route);
  if (values.fluentd) {
    fluentd.want(hereOf(shown));
    await fluentd.settled();
    signal.throwIfAborted();
  }
  const fluentdOf = values.fluentd ? (name: string) => fluentd.healthOf(name) : undefined;
  if (format === "json") {
    await stdout.write(topDocument(shown, { ...answer, fluentdOf }));
    return 0;
  }
  const columns = format === "wide" ? Infinity : stdout.columns ?? Infinity;
  const text = shown.length === 0 ? "No server found\n" : topTable(shown, { columns, fluentdOf });
  await stdout.write(isColored(color, stdout) ? colorStates(text) : text);
  return 0;
}

/** Names of those that can be asked. */
function hereOf(servers: readonly TopServer[]): string[] {
  return servers.flatMap(({ name = "", state }) => state === "ONLINE" ? [name] : []);
}

/** Why `signal` fires when somebody is done. */
const QUIT = new Error("q was pressed");

async function showLive(values: TopValues, context: Context): Promise<number> {
  const { intervalMs, color } = values;
  const { stdout } = context.io;
  const quit = new AbortController();
  const signal = AbortSignal.any([context.signal, quit.signal]);
  const planned = await planRoute(context, undefined);
  // What would be written over the table stands in it.
  let warning: string | undefined;
  const warnings = { write: (text: string) => Promise.resolve(void (warning = text.trimEnd())) };
  await using channels = new AsyncDisposableStack();
  const route = shareChannels({ ...planned, signal, warnings }, { channels, deadline: Infinity });
  const hub = [route, ...route.otherHubs ?? []].map(({ address }) => formatHostPort(address))
    .join();
  const list = new TopList(values);
  list.take(await firstLook(route, context));
  let takenAt = new Date();
  let failure: CallFailure | undefined;
  const fluentd = values.fluentd ? new FluentdStates(route, () => show()) : undefined;
  const fluentdOf = fluentd && ((name: string) => fluentd.healthOf(name));
  const paint = isColored(color, stdout) ? colorStates : (text: string) => text;
  await using screen = new Screen(stdout, {
    onKey(key) {
      if (key === "q") return quit.abort(QUIT);
      list.press(key, topRows(stdout.rows ?? Infinity));
      show();
    },
    onResize: () => show(),
    onError: (error) => quit.abort(error),
  });
  function show() {
    const { columns = Infinity, rows = Infinity } = stdout;
    const { servers, shown, sortedBy } = list;
    const from = list.from(topRows(rows));
    const trouble = failure === undefined ? warning : `error: ${failure.error.message}`;
    const board = { hub, takenAt, intervalMs, servers, shown, sortedBy, fluentdOf, trouble };
    // The last column stays free: what clears the rest of the terminal would clear it.
    screen.draw(topLines(board, { columns: columns - 1, rows, from }).map(paint));
    // Thousands may be in the list, and nobody sees them.
    fluentd?.want(hereOf(shown.slice(from, from + topRows(rows))));
  }
  try {
    for (;;) {
      show();
      await delay(intervalMs, { signal });
      warning = undefined;
      const { answer, passing } = await lookAt(route, context);
      failure = passing;
      if (answer === undefined) continue;
      list.take(answer);
      takenAt = new Date();
      fluentd?.keep(new Set(list.servers.map(({ name = "" }) => name)));
    }
  } catch (error) {
    if (quit.signal.reason === QUIT) return 0;
    throw error;
  }
}
