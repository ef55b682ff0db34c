/**
 * What `gclient top` shows: a head of three lines, and a row for each server.
 *
 * @module
 */
import type {
  ghub_v1_ListServersResponse as ListServersResponse,
  ghub_v1_Server as ListedServer,
} from "../../shared/gen/types.ts";
import { formatDuration } from "../../shared/cli/parse_duration.ts";
import { durationMs } from "../../shared/grpc/proto_time.ts";
import { printable } from "../../shared/text/printable.ts";
import { safeJson } from "../../shared/text/safe_json.ts";
import { cutToWidth } from "../../shared/text/width.ts";
import { clockText, durationText, table } from "./table.ts";

/** A server, and what was found out about it. */
export interface TopServer extends ListedServer {
  /** `undefined` while it is not known. */
  readonly callsPerSecond: number | undefined;
}

/** How the Fluentd of a server is, by its name; `undefined` if it has not answered yet. */
type FluentdOf = (name: string) => string | undefined;

const RATE = "CALLS/S";
const FLUENTD = "FLUENTD";
const CLOSED = "LAST CLOSED BECAUSE";
/** What a narrow terminal does without, first to last. */
const GIVE_WAY = [CLOSED, "VERSION", "HUBS", "RTT", "NOW", FLUENTD, RATE, "STATE"];

export interface TopLayout {
  /** Of the terminal; `Infinity` where there is none. */
  readonly columns: number;
  /** @default Fluentd has no column */
  readonly fluentdOf?: FluentdOf | undefined;
}

/** A row for each server. */
export function topTable(
  servers: readonly TopServer[],
  { columns, fluentdOf }: TopLayout,
): string {
  const withHubs = servers.some(({ hubs = [] }) => hubs.length > 0);
  const all: readonly (readonly [head: string, cell: (server: TopServer) => string])[] = [
    ["NAME", ({ name = "" }) => name],
    ["STATE", ({ state = "" }) => state],
    ...withHubs ? [["HUBS", ({ hubs = [] }: TopServer) => hubs.join(",")] as const] : [],
    ["VERSION", ({ version = "" }) => version],
    ["NOW", ({ callsInFlight = 0 }) => String(callsInFlight)],
    [RATE, ({ callsPerSecond }) => rateText(callsPerSecond)],
    ["RTT", ({ rtt }) => durationText(durationMs(rtt))],
    ...fluentdOf ? [[FLUENTD, ({ name = "" }: TopServer) => fluentdOf(name) ?? ""] as const] : [],
    [CLOSED, ({ lastCloseReason = "" }) => lastCloseReason],
  ];
  const heads = all.map(([head]) => head);
  const rows = servers.map((server) => all.map(([, cell]) => cell(server)));
  return table(heads, rows, { columns, giveWay: GIVE_WAY.filter((head) => heads.includes(head)) });
}

/** Above this many calls per second, a tenth says nothing. */
const WHOLE_RATE = 10;

function rateText(rate: number | undefined): string {
  if (rate === undefined) return "";
  return rate === 0 || rate >= WHOLE_RATE ? String(Math.round(rate)) : rate.toFixed(1);
}

/** All that is known at one time, in the order in which it is shown. */
export interface TopBoard {
  /** Who tells it. */
  readonly hub: string;
  readonly takenAt: Date;
  readonly intervalMs: number;
  /** Also those that are not shown. */
  readonly servers: readonly TopServer[];
  readonly shown: readonly TopServer[];
  readonly sortedBy: string;
  readonly fluentdOf?: FluentdOf | undefined;
  /** Why it may not be true any more. */
  readonly trouble: string | undefined;
}

/** The terminal, and how many rows have been moved out of it. */
export interface TopPlace {
  readonly columns: number;
  readonly rows: number;
  readonly from: number;
}

/** The lines above the rows: title, sums, keys or trouble, and the heads of the columns. */
const HEAD_LINES = 4;
const KEYS = "q ends, s sorts, r reverses, a shows all, arrows move";

/** How many servers a terminal shows. */
export function topRows(rows: number): number {
  return Math.max(1, rows - HEAD_LINES);
}

/** As many lines as the terminal has, at most, and none that is wider. */
export function topLines(board: TopBoard, { columns, rows, from }: TopPlace): string[] {
  const { shown, fluentdOf, trouble } = board;
  const page = shown.slice(from, from + topRows(rows));
  const body = page.length === 0
    ? ["No server found"]
    : topTable(page, { columns, fluentdOf }).trimEnd().split("\n");
  const head = [titleText(board), sumText(board), trouble ?? KEYS];
  return [...head.map((line) => cutToWidth(printable(line), columns)), ...body].slice(0, rows);
}

function titleText({ hub, takenAt, intervalMs, sortedBy }: TopBoard): string {
  return `${clockText(takenAt)} every ${formatDuration(intervalMs)} by ${sortedBy}, hub ${hub}`;
}

function sumText({ servers, shown }: TopBoard): string {
  const count = (state: string) => servers.filter((server) => server.state === state).length;
  const now = servers.reduce((all, { callsInFlight = 0 }) => all + callsInFlight, 0);
  const rates = servers.flatMap(({ callsPerSecond = [] }) => callsPerSecond);
  const [draining, away] = [count("DRAINING"), count("OFFLINE")];
  return [
    `${count("ONLINE")} online`,
    ...draining > 0 ? [`${draining} draining`] : [],
    `${away} away`,
    `${now} calls now`,
    ...rates.length > 0 ? [`${rateText(rates.reduce((all, rate) => all + rate))} calls/s`] : [],
    `${shown.length} in the list`,
  ].join(", ");
}

/** The same as one JSON object, in one line. */
export function topDocument(
  servers: readonly TopServer[],
  { hubsSilent = [], fluentdOf }: Pick<ListServersResponse, "hubsSilent"> & {
    readonly fluentdOf?: FluentdOf | undefined;
  },
): string {
  const rows = servers.map((server) => ({
    name: server.name ?? "",
    state: server.state ?? "STATE_UNKNOWN",
    labels: server.labels ?? {},
    hubs: server.hubs ?? [],
    version: server.version ?? "",
    callsInFlight: server.callsInFlight ?? 0,
    callsTotal: server.callsTotal ?? 0,
    callsPerSecond: server.callsPerSecond,
    rttMs: durationMs(server.rtt),
    lastCloseReason: server.lastCloseReason ?? "",
    fluentd: fluentdOf?.(server.name ?? ""),
  }));
  return `${safeJson({ servers: rows, hubsSilent })}\n`;
}
