/**
 * The suite `reliability`: how long failures last, and what they leave behind. Real processes, real
 * kills. `--size 0.1` makes every part smaller; an interrupted run shows the parts that are done.
 *
 * @module
 */
import { figure, table } from "../table.ts";
import type { Suite } from "../suite.ts";
import { cycles } from "./reliability/cycles.ts";
import { halfOpen } from "./reliability/half_open.ts";
import { idle } from "./reliability/idle.ts";
import { kills } from "./reliability/kills.ts";
import type { Part, Row } from "./reliability/part.ts";
import { reconnect } from "./reliability/reconnect.ts";
import { storm } from "./reliability/storm.ts";

export const PARTS: readonly Part[] = [halfOpen, reconnect, storm, cycles, kills, idle];

export const reliability: Suite = async ({ size, parts: ids, log, signal }) => {
  const parts = ids.length === 0 ? PARTS : PARTS.filter(({ id }) => ids.includes(id));
  const some = (full: number) => size === 1 ? full : Math.max(10, Math.round(full * size));
  const seconds = parts.reduce((sum, part) => sum + part.seconds, 0);
  const share = size === 1 ? "" : `, less for ${size} of it`;
  log(`${parts.length} parts, about ${Math.ceil(seconds / 60)} minutes at full size${share}`);
  const rows: Row[] = [];
  const missing: string[] = [];
  for (const [i, part] of parts.entries()) {
    const title = `${i + 1}/${parts.length} ${part.name}`;
    const startMs = performance.now();
    if (signal.aborted) {
      missing.push(part.name);
      continue;
    }
    log(title);
    try {
      const log_ = (text: string) => log(`${title}: ${text}`);
      rows.push(...await part.run({ some, log: log_, signal }));
      log(`${title}: done in ${Math.round((performance.now() - startMs) / 1000)} s`);
    } catch (error) {
      if (!signal.aborted) throw error;
      missing.push(part.name);
    }
  }
  return {
    figures: rows.map(({ goal, ...rest }) => ({ ...rest, goal: goal?.text ?? "" })),
    text: text(rows, missing),
    missed: rows.filter((row) => verdict(row) === MISSED).length,
  };
};

const MISSED = "MISSED";

function verdict({ value, goal }: Row): string {
  return goal === undefined ? "" : goal.holds(value) ? "ok" : MISSED;
}

function text(rows: readonly Row[], missing: readonly string[]): string {
  const lines = table([
    ["reliability", "measured", "unit", "goal", "verdict"],
    ...rows.map((row) => [
      row.what,
      Number.isInteger(row.value) ? String(row.value) : figure(row.value),
      row.unit,
      row.goal?.text ?? "",
      verdict(row),
    ]),
  ]);
  return missing.length === 0
    ? lines
    : `${lines}\n\nInterrupted, so not measured: ${missing.join("; ")}`;
}
