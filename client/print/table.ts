/**
 * Text for people: aligned columns and plain words for times and durations.
 *
 * @module
 */
import type { google_protobuf_Timestamp as Timestamp } from "../../shared/gen/types.ts";
import { timestampMs } from "../../shared/grpc/proto_time.ts";
import { printable } from "../../shared/text/printable.ts";
import { cutToWidth, padToWidth, textWidth } from "../../shared/text/width.ts";

/** What stands in a cell without content. */
const NOTHING = "-";

/** How wide a table may be, and what goes first where it is not wide enough. */
export interface TableLayout {
  /** Of the terminal; `Infinity` where there is none. @default {Infinity} */
  readonly columns?: number;
  /** Heads of the columns that give way, the least important first. @default [] */
  readonly giveWay?: readonly string[];
}

/** A column that is cut keeps at least this many cells. Where that is too much, it is left out. */
const MIN_CUT_WIDTH = 8;
const GAP = "  ";

/** Rows under their heads, in columns as wide as they need, or as the terminal lets them be. */
export function table(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  { columns = Infinity, giveWay = [] }: TableLayout = {},
): string {
  const lines = [heads, ...rows.map((row) => row.map((cell) => printable(cell) || NOTHING))];
  const widths = heads.map((_, i) => Math.max(...lines.map((line) => textWidth(line[i] ?? ""))));
  fit(heads, widths, { columns, giveWay });
  return lines.map((line) =>
    line.flatMap((cell, i) =>
      widths[i]! > 0 ? [padToWidth(cutToWidth(cell, widths[i]!), widths[i]!)] : []
    ).join(GAP).trimEnd() + "\n"
  ).join("");
}

/** Makes columns narrower until all fit; one of width 0 is left out. */
function fit(
  heads: readonly string[],
  widths: number[],
  { columns, giveWay }: Required<TableLayout>,
): void {
  const tooWide = () => {
    const shown = widths.filter((width) => width > 0);
    return shown.reduce((sum, width) => sum + width + GAP.length, -GAP.length) - columns;
  };
  for (const head of giveWay) {
    const excess = tooWide();
    if (excess <= 0) return;
    const i = heads.indexOf(head);
    const left = widths[i]! - excess;
    widths[i] = left >= Math.max(MIN_CUT_WIDTH, head.length) ? left : 0;
  }
  // The last resort: what stands first is cut as well, and still tells something.
  const excess = tooWide();
  if (excess > 0) widths[0] = Math.max(1, widths[0]! - excess);
}

/** Names and values, one a line; those without value are left out. */
export function list(
  entries: readonly (readonly [name: string, value: string | undefined])[],
): string {
  const shown = entries.filter(([, value]) => value !== undefined && value !== "");
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${printable(value!)}\n`).join("");
}

/** `{env: "prod", site: "ams"}` → `env=prod,site=ams`. */
export function labelsText(labels: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(labels ?? {}).sort().map(([key, value]) => `${key}=${value}`).join(",");
}

/** `undefined` → "", 0.35 → 350µs, 12 → 12ms, 2345 → 2.3s, 93784000 → 1d2h. */
export function durationText(ms: number | undefined): string {
  if (ms === undefined) return "";
  if (ms < 1) return `${Math.round(ms * 1000)}µs`;
  if (ms < 1000) return `${Math.round(ms)}ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes}m${Math.floor(ms / 1000) % 60}s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours}h${minutes % 60}m` : `${Math.floor(hours / 24)}d${hours % 24}h`;
}

/** What the clock of who answered says; ours, if an older one does not tell. */
export function nowOf(now: Timestamp | undefined): number {
  return timestampMs(now) ?? Date.now();
}

/** A time as "3m12s ago", of the same clock as `nowMs`. */
export function agoText(time: Timestamp | undefined, nowMs: number): string {
  const ms = timestampMs(time);
  return ms === undefined ? "" : `${durationText(Math.max(0, nowMs - ms))} ago`;
}

/** A time in ISO form, to the second. */
export function timeText(time: Timestamp | undefined): string {
  const ms = timestampMs(time);
  if (ms === undefined || Number.isNaN(new Date(ms).getTime())) return "";
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

/** The time of day on this machine, as 14:02:33. */
export function clockText(time: Date): string {
  return time.toLocaleTimeString("sv");
}

/** 512 → 512 B, 2048 → 2.0 KiB. */
export function sizeText(bytes: number | undefined): string {
  if (bytes === undefined) return "";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
