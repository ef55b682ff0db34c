/**
 * Text for people: aligned columns and plain words for times and durations.
 *
 * @module
 */
import type { google_protobuf_Timestamp as Timestamp } from "../../shared/gen/types.ts";
import { timestampMs } from "../../shared/grpc/proto_time.ts";
import { printable } from "../../shared/text/printable.ts";

/** What stands in a cell without content. */
const NOTHING = "-";

/** Rows under their heads, in columns as wide as they need. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heads, ...rows.map((row) => row.map((cell) => printable(cell) || NOTHING))];
  const widths = heads.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  return lines.map((line) =>
    line.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd() + "\n"
  ).join("");
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

/** 512 → 512 B, 2048 → 2.0 KiB. */
export function sizeText(bytes: number | undefined): string {
  if (bytes === undefined) return "";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
