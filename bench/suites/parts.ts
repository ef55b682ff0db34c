/**
 * Runs the parts of a suite one after the other, and makes one table of their rows. An interrupted run shows
 * the parts that are done.
 *
 * @module
 */
import type { Part, Row } from "../part.ts";
import type { Suite } from "../suite.ts";
import { figure, table } from "../table.ts";

/** @param name What its table is called. */
export function suiteOf(name: string, all: readonly Part[]): Suite {
  return async ({ size, seconds: secondsEach, rounds, parts: ids, log, signal }) => {
    const named = all.filter(({ id }) => ids.includes(id));
    const parts = named.length === 0 ? all : named;
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
        const options = { some, size, seconds: secondsEach, rounds, log: log_, signal };
        rows.push(...await part.run(options));
        log(`${title}: done in ${Math.round((performance.now() - startMs) / 1000)} s`);
      } catch (error) {
        if (!signal.aborted) throw error;
        missing.push(part.name);
      }
    }
    return {
      figures: rows.map(({ goal, ...rest }) => ({ ...rest, goal: goal?.text ?? "" })),
      text: text(name, rows, missing),
      missed: rows.filter((row) => verdict(row) === MISSED).length,
    };
  };
}

const MISSED = "MISSED";

function verdict({ value, goal }: Row): string {
  return goal === undefined ? "" : goal.holds(value) ? "ok" : MISSED;
}

function text(name: string, rows: readonly Row[], missing: readonly string[]): string {
  const isCompared = rows.some(({ alone }) => alone !== undefined);
  const of = (value: number) => Number.isInteger(value) ? String(value) : figure(value);
  const lines = table([
    [name, "measured", ...isCompared ? ["one hub alone"] : [], "unit", "goal", "verdict"],
    ...rows.map((row) => [
      row.what,
      of(row.value),
      ...isCompared ? [row.alone === undefined ? "" : of(row.alone)] : [],
      row.unit,
      row.goal?.text ?? "",
      verdict(row),
    ]),
  ]);
  return missing.length === 0
    ? lines
    : `${lines}\n\nInterrupted, so not measured: ${missing.join("; ")}`;
}
