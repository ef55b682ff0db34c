/**
 * Fluentd's state and changes as text for people.
 *
 * @module
 */
import type {
  fluentd_v1_ExitStatus as ExitStatus,
  fluentd_v1_FluentdState as FluentdState,
  fluentd_v1_Operation as Operation,
  fluentd_v1_RestartResponse as RestartResponse,
  fluentd_v1_StartResponse as StartResponse,
  fluentd_v1_StopResponse as StopResponse,
  fluentd_v1_Warning as Warning,
} from "../../shared/gen/types.ts";
import { durationMs } from "../../shared/grpc/proto_time.ts";
import { agoText, durationText, list, sizeText, table, timeText } from "./table.ts";
import { printable } from "../../shared/text/printable.ts";

const PLUGIN_HEADS = ["PLUGIN", "CATEGORY", "TYPE", "RECORDS", "RETRIES", "QUEUED"];
/** What a narrow terminal does without, first to last. */
const GIVE_WAY = ["CATEGORY", "RETRIES", "RECORDS", "QUEUED", "TYPE"];

/** How a state is shown. */
export interface StateView {
  /** The clock of who answered. */
  readonly nowMs: number;
  /** Of the terminal. @default {Infinity} */
  readonly columns?: number;
}

/** How it is. */
export function stateTable(
  state: FluentdState,
  { nowMs, columns = Infinity }: StateView,
): string {
  const { supervisor, workers = [], buffers, plugins = [] } = state;
  const pid = supervisor?.pid;
  const uptime = durationText(durationMs(supervisor?.uptime));
  const facts = list([
    ["health", state.health ?? "HEALTH_UNKNOWN"],
    ["reasons", state.reasons?.join("; ")],
    ["manager", managerText(state)],
    ["supervisor", pid ? `pid ${pid}${uptime && `, up ${uptime}`}` : undefined],
    ["workers", workers.map(({ id = 0, pid }) => `${id}: pid ${pid}`).join(", ")],
    ["restarts", state.restartsTotal ? String(state.restartsTotal) : undefined],
    ["version", state.version],
    ["config", state.configPath],
    ["last exit", exitText(state.lastExit)],
    ["last operation", operationText(state.lastOperation, nowMs)],
    [
      "buffers",
      buffers && `${sizeText((buffers.queuedBytes ?? 0) + (buffers.stageBytes ?? 0))} in ` +
        `${buffers.queueLength ?? 0} chunks`,
    ],
    ["known from", state.sources?.join(", ")],
    ...(state.warnings ?? []).map(warningRow),
  ]);
  if (plugins.length === 0) return facts;
  const rows = plugins.map((plugin) => [
    plugin.id ?? "",
    plugin.category ?? "",
    plugin.type ?? "",
    numberText(plugin.emitRecords),
    numberText(plugin.retryCount),
    sizeText(plugin.bufferTotalQueuedBytes),
  ]);
  return `${facts}\n${table(PLUGIN_HEADS, rows, { columns, giveWay: GIVE_WAY })}`;
}

/** Lines that are shown of a stack in the log. */
const MAX_STACK_LINES = 3;

/** The log's end, for people: of each stack the lines that tell where. */
function logText(lines: readonly string[]): string {
  const shown: string[] = [];
  let stack = 0;
  const endStack = () => {
    const left = stack - MAX_STACK_LINES;
    if (left > 0) shown.push(`  … ${left} more lines of stack, which -o yaml shows`);
    stack = 0;
  };
  for (const line of lines) {
    // Fluentd indents a stack below its error.
    if (!line.startsWith("  ")) endStack();
    else if (++stack > MAX_STACK_LINES) continue;
    shown.push(line);
  }
  endStack();
  return shown.map((line) => `  ${printable(line)}\n`).join("");
}

/** What was done. */
export function changeTable(change: StartResponse | StopResponse | RestartResponse): string {
  const { status, before, after, failure, elapsed } = change;
  const stop: Omit<StopResponse, "status"> = change;
  const left = stop.remainingBufferBytes;
  const facts = list([
    ["status", status ?? "UNKNOWN"],
    ["before", before && shortState(before)],
    ["after", after && shortState(after)],
    ["took", durationText(durationMs(elapsed))],
    ["killed", stop.killed ? "yes: it did not stop by itself" : undefined],
    ["left in buffers", left === undefined ? undefined : sizeText(left)],
    ["reason", failure?.reason],
    ["message", failure?.message],
    ["exit code", failure?.exitCode === undefined ? undefined : String(failure.exitCode)],
    ["signal", failure?.signal],
    ...(after?.warnings ?? []).map(warningRow),
  ]);
  const log = failure?.logTail ?? [];
  return log.length === 0 ? facts : `${facts}log:\n${logText(log)}`;
}

function warningRow({ code, message }: Warning): [string, string] {
  return ["warning", [code, message].filter(Boolean).join(": ")];
}

function shortState({ health, supervisor, workers = [] }: FluentdState): string {
  const count = `${workers.length} worker${workers.length === 1 ? "" : "s"}`;
  const pid = supervisor?.pid ? ` (pid ${supervisor.pid}, ${count})` : "";
  return `${health ?? "HEALTH_UNKNOWN"}${pid}`;
}

function managerText({ manager, unit, activeState, subState, result }: FluentdState): string {
  const words = [activeState, subState && `(${subState})`, result && `result ${result}`];
  const systemd = [unit, ...words].filter(Boolean).join(" ");
  return [manager === "MANAGER_UNKNOWN" ? undefined : manager?.toLowerCase(), systemd].filter(
    Boolean,
  ).join(" ");
}

function exitText(exit: ExitStatus | undefined): string | undefined {
  if (exit === undefined) return undefined;
  const how = exit.signal
    ? `by ${exit.signal}`
    : exit.code === undefined
    ? ""
    : `code ${exit.code}`;
  return [how, exit.time && `at ${timeText(exit.time)}`].filter(Boolean).join(" ");
}

function operationText(operation: Operation | undefined, nowMs: number): string | undefined {
  if (operation === undefined) return undefined;
  const { kind, result, time, actor, reason } = operation;
  return [
    kind,
    result || "under way",
    actor && `by ${actor}`,
    agoText(time, nowMs),
    reason && `(${reason})`,
  ].filter(Boolean).join(" ");
}

function numberText(value: number | undefined): string {
  return value === undefined ? "" : String(value);
}
