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
import { type Launch, readLaunch } from "./launch.ts";
import type { ExitStatus, FluentdManager } from "./manager.ts";
import type { MonitorReport } from "./monitor.ts";
import type { Look } from "./observer.ts";
import type { OperationRecord } from "./operations.ts";

/** What a look does not tell. */
export interface StateContext {
  readonly manager: Pick<FluentdManager, "kind">;
  readonly launch?: Launch | undefined;
  readonly restartsTotal: number;
  /** The last version that fluentd told, for when it does not run. */
  readonly version?: string | undefined;
  readonly lastOperation?: OperationRecord | undefined;
  readonly report?: MonitorReport | undefined;
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
  const { seen, facts, identities, verdict, lines, nowMs } = look;
  const { manager, launch, restartsTotal, lastOperation, report } = context;
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
    workers: seen.workers.map(({ workerId, pid, startedAtMs }) => ({
      id: workerId,
      pid,
      startedAt: timestamp(startedAtMs),
    })),
    restartsTotal,
    version: identity?.version ?? facts.version ?? context.version,
    configPath: identity?.configPath ?? (launch && readLaunch(launch).configPath),
    lastExit: lastExit && toExit(lastExit),
    lastOperation: lastOperation && toOperation(lastOperation),
    sources: [
      ...(unit === undefined ? [] : ["systemd"]),
      "proc",
      ...(identity === undefined && report === undefined ? [] : ["monitor"]),
      ...(lines.length === 0 ? [] : ["log"]),
    ],
    buffers: report?.buffers,
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
