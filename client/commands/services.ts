/**
 * `gclient list|describe|call`: any service of the hub or of a server, as it describes itself by
 * reflection.
 *
 * @module
 */
import { type Argument, UsageError } from "../../shared/cli/program.ts";
import type { Command, Context } from "../../shared/cli/command.ts";
import {
  connectionNeeds,
  connectionOptions,
  type ConnectionValues,
} from "../connect/connection_options.ts";
import { describe } from "../print/describe.ts";
import { EXIT_CODES_HELP, exitCodeOf } from "../print/exit_code.ts";
import { failureText } from "../print/failure_text.ts";
import { type CallRoute, planRoute, type RouteValues } from "../call/route.ts";
import { serverOptions } from "../call/server_options.ts";
import { printable } from "../../shared/text/printable.ts";
import { Reflection, ReflectionError } from "../call/reflection.ts";
import { rpcCommand } from "./rpc_command.ts";
import { serverArgument } from "./server_argument.ts";

/** Default limit of asking what there is. */
const ASK_TIMEOUT_MS = 10_000;
/** Default limit of a call about which nothing is known. */
const CALL_TIMEOUT_MS = 30_000;

const server: Argument = { ...serverArgument, summary: "the server; without it, the hub itself" };
const servers: Argument = {
  ...server,
  summary: "the servers; without one, the hub itself",
  many: true,
};
const options = { ...serverOptions, ...connectionOptions };

async function reflection(
  context: Context,
  name: string | undefined,
  known?: CallRoute,
): Promise<Reflection> {
  const { timeoutMs, waitForServerMs = 0 } = context.options as ConnectionValues & RouteValues;
  const limitMs = timeoutMs ?? ASK_TIMEOUT_MS + waitForServerMs;
  return new Reflection(known ?? await planRoute(context, name), Date.now() + limitMs);
}

/** Prints what `ask` gives, or why it cannot. */
async function print(context: Context, ask: () => Promise<string>): Promise<number> {
  try {
    await context.io.stdout.write(await ask());
    return 0;
  } catch (error) {
    if (!(error instanceof ReflectionError)) throw error;
    await context.io.stderr.write(failureText(error.failure));
    return exitCodeOf(error.failure.error.code);
  }
}

export const listCommand: Command = {
  name: "list",
  summary: "Lists the services of a server, or of the hub",
  description:
    "Lists the services of a server, or of the hub, as reflection tells them. Without --timeout that may take 10s.",
  examples: ["gclient list", "gclient list edge-1", "gclient list edge-1/payments"],
  args: [server],
  options,
  needs: connectionNeeds,
  notes: EXIT_CODES_HELP,
  run: (context) =>
    print(context, async () => {
      const services = await (await reflection(context, context.args[0])).services();
      return services.map((name) => `${printable(name)}\n`).join("");
    }),
};

export const describeCommand: Command = {
  name: "describe",
  summary: "Shows a service, message or enum of a server, or of the hub",
  description:
    "Shows a service, message or enum of a server, or of the hub, as a .proto file would have it. Without --timeout that may take 10s.",
  examples: [
    "gclient describe fluentd.v1.Fluentd edge-1",
    "gclient describe fluentd.v1.StartRequest edge-1",
    "gclient describe ghub.v1.Hub",
  ],
  args: [{ name: "symbol", summary: "the full name of a service, message or enum" }, server],
  options,
  needs: connectionNeeds,
  notes: EXIT_CODES_HELP,
  run: (context) =>
    print(context, async () => {
      const [symbol = "", name] = context.args;
      const text = describe(await (await reflection(context, name)).describe(symbol), symbol);
      if (text !== undefined) return text;
      throw new UsageError(`"${symbol}" is no service, message or enum`, {
        hint: "Give the name of what holds it",
      });
    }),
};

export const callCommand: Command = rpcCommand({
  name: "call",
  summary: "Calls any method of a server, or of the hub",
  description:
    "Calls any method of a server, or of the hub. What its messages are is asked by reflection. Without --timeout a call may take 30s, and a stream has no limit.",
  examples: [
    "gclient call fluentd.v1.Fluentd/GetStatus edge-1 -o yaml",
    "gclient call fluentd.v1.Fluentd/Stop edge-1 --set wait=60s",
    "gclient call payments.v1.Payments/List edge-1/payments -d '{\"limit\": 10}'",
    "gclient call payments.v1.Payments/List edge-1/payments -p -o yaml > req.yaml",
    "gclient call grpc.health.v1.Health/Check --all",
  ],
  args: [{ name: "method", summary: "package.Service/Method" }, servers],
  title: ({ args }) => args[0] ?? "call",
  method: async (context, route) => {
    const [method = "", name] = context.args;
    return await (await reflection(context, name, route)).method(method);
  },
  toServer: true,
  serverAt: 1,
  timeoutMs: () => CALL_TIMEOUT_MS,
});
