/**
 * `gclient doctor [server]`: the way to the hub and to a server, step by step.
 *
 * @module
 */
import type { Command, Context } from "../../shared/cli/command.ts";
import type { Check, Finding } from "../../shared/doctor/check.ts";
import {
  type Aloud,
  concludeDoctor,
  doctorOptions,
  examineAloud,
  idleOption,
} from "../../shared/doctor/doctor.ts";
import type {
  ghub_v1_ListServersResponse as ListServersResponse,
  ghub_v1_WhoAmIResponse as WhoAmIResponse,
  grpc_health_v1_HealthCheckResponse as HealthCheckResponse,
} from "../../shared/gen/types.ts";
import { timestampMs } from "../../shared/grpc/proto_time.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { statusName } from "../../shared/grpc/status.ts";
import { ask } from "../call/ask.ts";
import { type CallRoute, planRoute, shareChannels } from "../call/route.ts";
import { connectionNeeds, connectionOptions } from "../connect/connection_options.ts";
import { serverNames } from "./server_argument.ts";

/** What is used of the options. */
interface Values extends Aloud {
  readonly bundle: string | undefined;
  readonly idleMs: number | undefined;
}

/** One question takes no longer. */
const ASK_TIMEOUT_MS = 10_000;

export const doctorCommand: Command = {
  name: "doctor",
  summary: "Checks the way to the hub and to a server, step by step",
  description: "Checks the way to the hub and to a server, step by step: name, proxy, TCP, TLS, " +
    "HTTP/2, credential, clock, the tunnel, and with --idle whether a silent connection lasts. " +
    "Exits with 3 if a check fails.",
  examples: [
    "gclient doctor",
    "gclient doctor edge-1 --bundle report.json",
    "gclient doctor edge-1 --idle 5m",
  ],
  args: [{
    name: "server",
    summary: "Also asks this server, through its tunnel",
    optional: true,
    complete: serverNames,
  }],
  options: {
    idleMs: idleOption,
    ...doctorOptions,
    ...connectionOptions,
  },
  needs: (values, env) => [
    ...connectionNeeds(values, env),
    ...values["bundle"] === undefined ? [] : ["write"] as const,
  ],
  run: runDoctor,
};

async function runDoctor(context: Context): Promise<number> {
  const { io, signal, args } = context;
  const route = await planRoute(context, undefined);
  // Only a doctor needs Node's DNS and TLS, and the proxies, before it dials.
  const { networkChecks, idleCheck } = await import("../../shared/doctor/network_checks.ts");
  const network = networkChecks({ ...route, alpn: "h2", signal });
  const { bundle, output, idleMs }: Values = context.options as never;
  await using channels = new AsyncDisposableStack();
  const idle = idleCheck(idleMs, {
    open: () => openForIdle(route, channels),
    signal,
    remedy: "What stands on the way ends silent connections: raise its limit (nginx: " +
      "grpc_read_timeout, proxy_timeout), or expect streams that say nothing to end",
  });
  const checks = await examineAloud([...network, ...hubChecks(route, args[0]), idle], io, {
    output,
  });
  return concludeDoctor(checks, { program: "gclient", bundle, context });
}

/** Asks the hub on one connection. @returns What asks it again on the same one. */
async function openForIdle(
  route: CallRoute,
  channels: AsyncDisposableStack,
): Promise<() => Promise<void>> {
  const deadline = Date.now() + ASK_TIMEOUT_MS;
  const alone = shareChannels({ ...route, otherHubs: [] }, { channels, deadline });
  const ask = () => answerOf<WhoAmIResponse>(alone, "ghub.v1.Hub/WhoAmI");
  await ask();
  const channel = await alone.shared!.get();
  return async () => {
    if (!channel.takesCalls) throw new Error("The connection was ended while it was silent");
    await ask();
  };
}

function hubChecks(route: CallRoute, server: string | undefined): Check[] {
  return [
    {
      name: "HTTP/2",
      isVital: true,
      async run() {
        const { dial } = await import("../connect/dial.ts");
        const { address, connectTimeoutMs: timeoutMs, signal } = route;
        await using _ = await dial(address, { ...route, timeoutMs, signal });
        return { text: "the hub speaks it" };
      },
      remedy: () => "Is it the hub's call port, and not the tunnel port? If it wants TLS: --tls",
    },
    {
      name: "credential",
      isVital: true,
      async run() {
        const { operator = "", everything } = await answerOf<WhoAmIResponse>(
          route,
          "ghub.v1.Hub/WhoAmI",
        );
        const rules = everything ? "may call everything" : "may call what its rules allow";
        return { text: `the hub knows you as ${operator}, who ${rules}` };
      },
      remedy: () => "A token comes from --token-file, GCLIENT_TOKEN, a context or gclient login",
    },
    {
      name: "clock",
      async run() {
        const start = Date.now();
        const { now } = await answerOf<ListServersResponse>(route, "ghub.v1.Hub/ListServers");
        const end = Date.now();
        const { skewFinding } = await import("../../shared/doctor/network_checks.ts");
        const hubMs = timestampMs(now);
        if (hubMs === undefined) return undefined;
        return skewFinding({ aheadMs: hubMs - (start + end) / 2, roundTripMs: end - start });
      },
    },
    {
      name: "tunnel",
      async run(): Promise<Finding | undefined> {
        if (server === undefined) {
          return { level: "-", text: "not tried: gclient doctor SERVER asks a server through it" };
        }
        const { status } = await answerOf<HealthCheckResponse>(
          { ...route, server },
          "grpc.health.v1.Health/Check",
        );
        return status === "SERVING"
          ? { text: `${server} answers: ${status}` }
          : { level: "warn", text: `${server} answers: ${status ?? "UNKNOWN"}` };
      },
      remedy: () => `Look at the server's log, and at: gclient hub servers ${server}`,
    },
  ];
}

/** @throws {RpcError} If it fails. */
async function answerOf<Response extends object>(
  route: CallRoute,
  method: string,
): Promise<Response> {
  const deadline = Date.now() + ASK_TIMEOUT_MS;
  const { error, answer } = await ask<Response>({ ...route, deadline }, { method });
  if (error !== undefined) {
    throw new RpcError(error.code, `${statusName(error.code)}: ${error.message}`);
  }
  return answer;
}
