/**
 * `gclient fluentd start|stop|restart|status [server]`.
 *
 * @module
 */
import type protobuf from "protobufjs";
import type { Command, Context } from "../../shared/cli/command.ts";
import type {
  fluentd_v1_Failure as FluentdFailure,
  fluentd_v1_FluentdState_Health as Health,
  fluentd_v1_GetStatusResponse as GetStatusResponse,
  fluentd_v1_RestartResponse as RestartResponse,
  fluentd_v1_StartResponse as StartResponse,
  fluentd_v1_StopResponse as StopResponse,
  google_protobuf_Duration as Duration,
} from "../../shared/gen/types.ts";
import { durationMs } from "../../shared/grpc/proto_time.ts";
import { Exit, Lsb } from "../print/exit_code.ts";
import { changeTable, stateTable } from "../print/fluentd_table.ts";
import { printable } from "../../shared/text/printable.ts";
import { type CallOutcome, rpcCommand } from "./rpc_command.ts";
import { serversArgument } from "./server_argument.ts";
import { nowOf } from "../print/table.ts";

/** What the server may take beyond its own `wait`: checks before, the way there and back. */
const MARGIN_MS = 15_000;

/** How long the server waits when the request does not say (proto/fluentd/v1/fluentd.proto). */
const DEFAULT_WAIT_MS = { start: 30_000, stop: 150_000, restart: 180_000 } as const;

/** Default limit of a call that only asks. */
const STATUS_TIMEOUT_MS = 10_000;

/** So that the server's answer comes before the client gives up, and says more than a deadline. */
function timeoutMs(kind: keyof typeof DEFAULT_WAIT_MS) {
  return (request: protobuf.Message): number => {
    const { wait, minHealthy } = request as {
      wait?: Duration | null;
      minHealthy?: Duration | null;
    };
    const waitMs = durationMs(wait ?? undefined) || DEFAULT_WAIT_MS[kind];
    return waitMs + (durationMs(minHealthy ?? undefined) ?? 0) + MARGIN_MS;
  };
}

function timeoutHelp(kind: keyof typeof DEFAULT_WAIT_MS): string {
  const seconds = DEFAULT_WAIT_MS[kind] / 1000;
  return `Without --timeout the call may take what the request's "wait" allows (${seconds}s if it says nothing) and ${
    MARGIN_MS / 1000
  }s more, so that the server's own answer comes first.`;
}

/** Texts that people replace. */
const SAMPLE_REASON = "why this is done";
/** How long workers must have lived when the request does not say. */
const MIN_HEALTHY = "2s";

function waitSample(kind: keyof typeof DEFAULT_WAIT_MS): string {
  return `${DEFAULT_WAIT_MS[kind] / 1000}s`;
}

type Change = StartResponse | StopResponse | RestartResponse;

/** Any status but these is no success; so is one that a newer server made up. */
const DONE: ReadonlySet<unknown> = new Set(["SUCCESS", "NOCHANGE"]);

function outcome({ status, failure }: Change): CallOutcome {
  if (DONE.has(status)) return { exitCode: Exit.OK };
  const why = failure === undefined ? "" : `: ${failureText(failure)}`;
  return { exitCode: Exit.OUTCOME_FAILED, error: `${status ?? "UNKNOWN"}${why}` };
}

function failureText({ reason, message, exitCode, signal }: FluentdFailure): string {
  const end = exitCode !== undefined
    ? ` (exit code ${exitCode})`
    : signal
    ? ` (ended by ${signal})`
    : "";
  return printable([reason, message].filter(Boolean).join(": ") + end);
}

const LSB_CODES: Readonly<Record<Health, number>> = {
  HEALTHY: Lsb.RUNNING,
  STARTING: Lsb.RUNNING,
  DEGRADED: Lsb.RUNNING,
  CRASH_LOOP: Lsb.NOT_RUNNING,
  STOPPED: Lsb.NOT_RUNNING,
  ORPHANED: Lsb.UNKNOWN,
  HEALTH_UNKNOWN: Lsb.UNKNOWN,
};

/** Of commands that end a Fluentd. */
const lossOptions = {
  acceptLoss: {
    flag: "--accept-loss",
    help: "Stops Fluentd even if that loses events in memory that cannot be delivered",
    group: "Request",
  },
} as const;

function putLoss(request: protobuf.Message, { options }: Context): void {
  if (options["acceptLoss"]) Object.assign(request, { acceptLoss: true });
}

const common = { toServer: true, takesServer: true, args: [serversArgument] } as const;
const change = { ...common, onceById: true } as const;

export const fluentdCommand: Command = {
  name: "fluentd",
  summary: "Controls the Fluentd on a server's machine",
  commands: [
    rpcCommand<StartResponse>({
      ...change,
      name: "start",
      summary: "Starts Fluentd and waits until it is ready",
      description: `Starts Fluentd and waits until it is ready.\n\n${timeoutHelp("start")}`,
      examples: [
        "gclient fluentd start edge-1",
        "gclient fluentd start edge-1 --set wait=60s --set reason=maintenance",
        "gclient fluentd start < req.json",
        "gclient fluentd start edge-1 --wait-for-server 5m --retry 3",
      ],
      title: "fluentd.start",
      method: "fluentd.v1.Fluentd/Start",
      sample: { wait: waitSample("start"), minHealthy: MIN_HEALTHY, reason: SAMPLE_REASON },
      timeoutMs: timeoutMs("start"),
      table: changeTable,
      outcome,
    }),
    rpcCommand<StopResponse>({
      ...change,
      name: "stop",
      summary: "Stops Fluentd and waits until no process of it is left",
      description: `Stops Fluentd and waits until no process of it is left.\n\n${
        timeoutHelp("stop")
      }`,
      examples: [
        "gclient fluentd stop edge-1",
        "gclient fluentd stop edge-1 --set flushFirst=true --set wait=5m",
        "gclient fluentd stop edge-1 edge-2 --yes",
      ],
      title: "fluentd.stop",
      method: "fluentd.v1.Fluentd/Stop",
      options: lossOptions,
      prepare: putLoss,
      sample: { wait: waitSample("stop"), reason: SAMPLE_REASON },
      timeoutMs: timeoutMs("stop"),
      table: changeTable,
      outcome,
    }),
    rpcCommand<RestartResponse>({
      ...change,
      name: "restart",
      summary: "Stops Fluentd, if it runs, and starts it",
      description: `Stops Fluentd, if it runs, and starts it.\n\n${timeoutHelp("restart")}`,
      examples: [
        "gclient fluentd restart edge-1",
        "gclient fluentd restart edge-1 --set mode=ZERO_DOWNTIME",
        "gclient fluentd restart --all --canary 1 --max-failures 5% --yes --log-dir logs",
      ],
      title: "fluentd.restart",
      method: "fluentd.v1.Fluentd/Restart",
      options: lossOptions,
      prepare: putLoss,
      sample: {
        validateFirst: true,
        wait: waitSample("restart"),
        minHealthy: MIN_HEALTHY,
        reason: SAMPLE_REASON,
      },
      timeoutMs: timeoutMs("restart"),
      table: changeTable,
      outcome,
    }),
    rpcCommand<GetStatusResponse>({
      ...common,
      name: "status",
      summary: "Shows how Fluentd is now",
      description: "Shows how Fluentd is now. Without --timeout the call may take 10s.",
      examples: [
        "gclient fluentd status edge-1",
        "gclient fluentd status edge-1 --exit-code -q && echo it runs",
        "gclient fluentd status edge-1 --set view=FULL -o yaml",
        "gclient fluentd status --all | jq -r 'select(.response.state.health != \"HEALTHY\").server'",
      ],
      options: {
        exitCode: {
          flag: "--exit-code",
          help: "Exits with 0 when Fluentd runs, 3 when it does not, 4 when that is not known",
          group: "Output",
        },
      },
      title: "fluentd.status",
      method: "fluentd.v1.Fluentd/GetStatus",
      timeoutMs: () => STATUS_TIMEOUT_MS,
      table: ({ state, now }, columns) => stateTable(state ?? {}, { nowMs: nowOf(now), columns }),
      outcome: ({ state }, { options }) => ({
        exitCode: options["exitCode"]
          ? LSB_CODES[state?.health ?? "HEALTH_UNKNOWN"] ?? Lsb.UNKNOWN
          : Exit.OK,
      }),
    }),
  ],
};
