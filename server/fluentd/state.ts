/**
 * A look as the wire has it.
 *
 * @module
 */
import type {
  fluentd_v1_FluentdState as FluentdState,
  fluentd_v1_Operation as WireOperation,
} from "../../shared/gen/types.ts";
import { duration, timestamp } from "../../shared/grpc/proto_time.ts";
import { witnesses } from "./observe/health.ts";
import { readLaunch } from "./manager/launch.ts";
import type { ExitStatus, FluentdManager } from "./manager/manager.ts";
import type { Look } from "./observe/observer.ts";
import type { OperationRecord } from "./operations.ts";
import { keyOf } from "./system/sockets.ts";

/** What a look does not tell. */
export interface StateContext {
  readonly manager: Pick<FluentdManager, "kind">;
  readonly restartsTotal: number;
  /** The last version that fluentd told, for when it does not run. */
  readonly version?: string | undefined;
  readonly lastOperation?: OperationRecord | undefined;
  /** @default false */
  readonly includeBuffers?: boolean;
  /** @default false */
  readonly includePlugins?: boolean;
}

/** Drops members that are undefined, so that the message has them unset. */
function defined<T extends object>(value: T): T {
  return Object.fromEntries(
    Object.entries(value).filter(([, member]) => member !== undefined),
  ) as T;
}

export function toState(look: Look, context: StateContext): FluentdState {
  const { seen, facts, identities, verdict, warnings, expected, config, report, nowMs } = look;
  const { manager, restartsTotal, lastOperation } = context;
  const { unit, lastExit } = seen;
  const newest = seen.supervisors.at(-1);
  const identity = identities?.[0];
  return defined<FluentdState>({
    manager: manager.kind,
    unit: unit?.id,
    activeState: unit?.activeState,
    subState: unit?.subState,
    result: unit?.result,
    health: verdict.health,
    reasons: [...verdict.reasons],
    supervisor: newest && {
      pid: newest.pid,
      startedAt: timestamp(newest.startedAtMs),
      uptime: duration(Math.max(0, nowMs - newest.startedAtMs)),
    },
    workers: seen.workers.map((worker) => ({
      id: worker.workerId,
      pid: worker.pid,
      startedAt: timestamp(worker.startedAtMs),
      runsBy: witnesses(worker, look.evidence),
      listens: (look.listeners.get(worker.pid) ?? []).map(keyOf),
    })),
    expectedWorkers: expected.workers,
    restartsTotal,
    version: identity?.version ?? facts.version ?? context.version,
    configPath: identity?.configPath ?? config?.path ??
      (look.launch && readLaunch(look.launch).configPath),
    lastExit: lastExit && toExit(lastExit),
    lastOperation: lastOperation && toOperation(lastOperation),
    sources: [
      ...(unit === undefined ? [] : ["systemd"]),
      "proc",
      ...(expected.socketsSeen ? ["sockets"] : []),
      ...(config === undefined ? [] : ["config"]),
      ...(identity === undefined && report === undefined ? [] : ["monitor"]),
      ...(look.lines.length === 0 ? [] : ["log"]),
    ],
    warnings: warnings.map(({ code, message }) => ({ code, message })),
    buffers: context.includeBuffers ? report?.buffers : undefined,
    plugins: context.includePlugins ? report?.plugins : undefined,
  });
}

function toExit({ code, signal, timeMs }: ExitStatus): FluentdState["lastExit"] {
  return defined({ code, signal, time: timestamp(timeMs) });
}

function toOperation(record: OperationRecord): WireOperation {
  const { id, kind, result, timeMs, actor, reason } = record;
  return { id, kind, result, time: timestamp(timeMs), actor, reason };
}
