/**
 * `gclient auth whoami|can-i`: what the hub lets its caller do, asked without doing it.
 *
 * @module
 */
import { UsageError } from "../../shared/cli/program.ts";
import type { Command } from "../../shared/cli/command.ts";
import type {
  ghub_v1_CanIResponse as CanIResponse,
  ghub_v1_WhoAmIResponse as WhoAmIResponse,
  ServiceName,
} from "../../shared/gen/types.ts";
import { root } from "../../shared/grpc/root.ts";
import { methodPath } from "../../shared/grpc/service.ts";
import { Exit } from "../print/exit_code.ts";
import { printable } from "../../shared/text/printable.ts";
import { rpcCommand } from "./rpc_command.ts";
import { serverNames } from "./server_argument.ts";
import { list } from "../print/table.ts";

/** Default limit of a call that only asks. */
const ASK_TIMEOUT_MS = 10_000;

/** Stands for every method, as raw mode and CONNECT need it. */
const EVERY_METHOD = "*";

/** What every server has; other services are known to their servers alone. */
const KNOWN_SERVICES: readonly ServiceName[] = ["fluentd.v1.Fluentd", "grpc.health.v1.Health"];

export const authCommand: Command = {
  name: "auth",
  summary: "Asks the hub what you may do",
  commands: [
    rpcCommand<WhoAmIResponse>({
      name: "whoami",
      summary: "Shows as whom the hub knows you",
      description:
        "Shows the name under which your calls stand in the hub's audit, and whether rules bind " +
        "you. Without --timeout the call may take 10s.",
      examples: [
        "gclient auth whoami",
        "gclient auth whoami -s hub.example:9090 --tls --token-file ~/.ghub-token",
        "gclient auth whoami -o json | jq -r .operator",
      ],
      title: "auth.whoami",
      method: "ghub.v1.Hub/WhoAmI",
      toServer: false,
      timeoutMs: () => ASK_TIMEOUT_MS,
      table: ({ operator, everything = false }) =>
        list([
          ["operator", operator],
          ["may call", everything ? "every method of every server" : "what its rules allow"],
        ]),
    }),
    rpcCommand<CanIResponse>({
      name: "can-i",
      summary: "Tells whether you may call a method of a server, without calling it",
      description:
        "Tells whether you may call a method of a server, and which kind of rule decides, without " +
        "calling it. The server need not be connected, but the hub knows no labels of a server that " +
        "it never saw. Without --timeout the call may take 10s.",
      examples: [
        "gclient auth can-i fluentd.v1.Fluentd/Restart edge-1",
        "gclient auth can-i payments.v1.Payments/List edge-1/payments -o yaml",
        "gclient auth can-i '*' edge-1   # every method, as --raw and CONNECT need it",
        "gclient auth can-i fluentd.v1.Fluentd/Stop edge-1 -q && gclient fluentd stop edge-1",
      ],
      args: [
        {
          name: "method",
          summary: "package.Service/Method, or * for every method",
          complete: knownMethods,
        },
        { name: "server", summary: "The server, or server/upstream", complete: serverNames },
      ],
      title: "auth.can-i",
      method: "ghub.v1.Hub/CanI",
      toServer: false,
      prepare(request, { args: [method = "", server = ""] }) {
        Object.assign(request, { server, method: toPath(method) });
      },
      timeoutMs: () => ASK_TIMEOUT_MS,
      table: ({ allowed = false, reason = "" }) =>
        printable(`${allowed ? "yes" : "no"}${reason === "" ? "" : `: ${reason}`}`) + "\n",
      outcome: ({ allowed = false }) => ({ exitCode: allowed ? Exit.OK : Exit.OUTCOME_FAILED }),
    }),
  ],
};

/** A method as the hub wants it: the path of its calls, or nothing for every method. */
function toPath(method: string): string {
  if (method === EVERY_METHOD) return "";
  if (/^\/?[\w.]+\/\w+$/.test(method)) return `/${method.replace(/^\//, "")}`;
  throw new UsageError(`"${method}" is not a method`, {
    hint: "Write package.Service/Method, such as fluentd.v1.Fluentd/Start, or '*' for all",
  });
}

function knownMethods(): string[] {
  const methods = KNOWN_SERVICES.flatMap((name) => root.lookupService(name).methodsArray);
  return methods.map((method) => methodPath(method).slice(1));
}
