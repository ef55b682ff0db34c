/**
 * `gclient list|describe|call`: any service of the hub or of a server, as it describes itself by
 * reflection.
 *
 * @module
 */
import { type Argument, UsageError } from "../../shared/cli/program.ts";
import type { Command, Context, Env } from "../../shared/cli/command.ts";
import {
  connectionNeeds,
  connectionOptions,
  type ConnectionValues,
} from "../connect/connection_options.ts";
import { describe } from "../print/describe.ts";
import { EXIT_CODES_HELP, exitCodeOf } from "../print/exit_code.ts";
import { failureText } from "../print/failure_text.ts";
import protobuf from "protobufjs";
import { whyUnusable } from "../../shared/files/why_unusable.ts";
import { methodPath } from "../../shared/grpc/service.ts";
import { Catalog, type CatalogOptions } from "../call/catalog.ts";
import { type CallRoute, planRoute, type RouteValues, shareChannels } from "../call/route.ts";
import { readSchemaFiles } from "../call/schema_files.ts";
import { schemaOptions, type SchemaValues } from "../call/schema_options.ts";
import type { RequestValues } from "../request/request_options.ts";
import { serverOptions } from "../call/server_options.ts";
import { printable } from "../../shared/text/printable.ts";
import { Reflection } from "../call/reflection.ts";
import { ReflectionError } from "../call/reflection_errors.ts";
import { rpcCommand } from "./rpc_command.ts";
import {
  afterMethodWords,
  afterSymbolWords,
  methodOrServerWords,
  symbolOrServerWords,
} from "./schema_words.ts";
import { serverArgument } from "./server_argument.ts";
import { isServerOnly, symbolFirst } from "./server_first.ts";

/** Default limit of asking what there is. */
const ASK_TIMEOUT_MS = 10_000;
/** Default limit of a call about which nothing is known. */
const CALL_TIMEOUT_MS = 30_000;

const server: Argument = { ...serverArgument, summary: "The server; without it, the hub itself" };
const servers: Argument = {
  ...server,
  summary: "The servers; without one, the hub itself. One may stand before the method",
  many: true,
  complete: afterMethodWords,
};
const options = { ...schemaOptions, ...serverOptions, ...connectionOptions };

type Values = ConnectionValues & RouteValues & SchemaValues;

const ALL = "*";

/** What can be called there, and what has been told of it when that is to be kept. */
interface Opened extends AsyncDisposable {
  readonly catalog: Catalog;
  /** Writes `--protoset-out`. */
  keep(): Promise<void>;
}

interface OpenOptions {
  readonly server: string | undefined;
  /** Where the way there is known. */
  readonly route?: CallRoute | undefined;
  /** What `--proto` and `--protoset` give, where that was read already. */
  readonly files?: CatalogOptions["files"];
  /** Files alone count, if there are some. */
  readonly offline?: boolean;
}

async function open(
  context: Context,
  { server, route: known, files: read, offline = false }: OpenOptions,
): Promise<Opened> {
  const values = context.options as Values;
  const { timeoutMs, waitForServerMs = 0, protosetOut } = values;
  const files = read ?? await readSchemaFiles(values);
  const limitMs = timeoutMs ?? ASK_TIMEOUT_MS + waitForServerMs;
  const channels = new AsyncDisposableStack();
  let asked: Promise<Reflection> | undefined;
  const ask = async () => {
    const deadline = Date.now() + limitMs;
    const route = known ?? shareChannels(await planRoute(context, server), { channels, deadline });
    return new Reflection(route, deadline);
  };
  const reflection = offline && files !== undefined ? undefined : () => asked ??= ask();
  return {
    catalog: new Catalog({ files, reflection }),
    async keep() {
      if (protosetOut === undefined) return;
      if (asked === undefined) {
        throw new UsageError("Nobody was asked, so there is nothing for --protoset-out");
      }
      const bytes = (await asked).fileSet();
      await Deno.writeFile(protosetOut, bytes).catch((error) => {
        throw new UsageError(`Cannot write --protoset-out ${protosetOut}: ${whyUnusable(error)}`, {
          cause: error,
        });
      });
    },
    [Symbol.asyncDispose]: () => channels.disposeAsync(),
  };
}

function needs(values: Partial<Values>, env: Env): Deno.PermissionName[] {
  return [
    ...connectionNeeds(values, env),
    ...values.protosetOut === undefined ? [] : ["write" as const],
  ];
}

/** Prints what `ask` gives, or why it cannot. */
async function print(
  context: Context,
  options: OpenOptions,
  ask: (catalog: Catalog) => Promise<string>,
): Promise<number> {
  await using opened = await open(context, options);
  try {
    await context.io.stdout.write(await ask(opened.catalog));
    await opened.keep();
    return 0;
  } catch (error) {
    if (!(error instanceof ReflectionError)) throw error;
    await context.io.stderr.write(failureText(error.failure));
    return exitCodeOf(error.failure.error.code);
  }
}

/** The methods of a service, or the services; with files alone, the only argument is a service. */
export const listCommand: Command = {
  name: "list",
  summary: "Lists the services of a server, or of the hub, or the methods of one",
  description:
    "Lists the services of a server, or of the hub, as reflection tells them; or the methods of a service. With --proto or --protoset and no server, it lists what the files have, and asks nobody. Without --timeout it may take 10s.",
  examples: [
    "gclient list",
    "gclient list edge-1",
    "gclient list edge-1/payments payments.v1.Payments",
    "gclient list --proto payments.proto",
    "gclient list edge-1 --protoset-out edge-1.protoset",
  ],
  args: [server, {
    name: "service",
    summary: "Lists the methods of this service",
    optional: true,
  }],
  options,
  needs,
  notes: EXIT_CODES_HELP,
  async run(context) {
    const [first, second] = context.args;
    const files = await readSchemaFiles(context.options as Values);
    const inFiles = (name: string) => new Catalog({ files, reflection: undefined }).inFiles(name);
    const offline = first === undefined || (second === undefined && inFiles(first));
    const service = second ?? (offline ? first : undefined);
    return await print(context, { server: first, files, offline }, async (catalog) => {
      if (service !== undefined) {
        const { root, symbol } = await catalog.find(service);
        const found = root.lookup(`.${symbol}`);
        if (!(found instanceof protobuf.Service)) {
          throw new UsageError(`"${symbol}" is no service`);
        }
        return linesOf(found.methodsArray.map((method) => methodPath(method).slice(1)));
      }
      const services = await catalog.services();
      if ((context.options as Values).protosetOut !== undefined) {
        for (const name of services) await catalog.find(name);
      }
      return linesOf(services);
    });
  },
};

function linesOf(names: readonly string[]): string {
  return names.map((name) => `${printable(name)}\n`).join("");
}

export const describeCommand: Command = {
  name: "describe",
  summary: "Shows a service, message, method, field … of a server, or of the hub",
  description:
    "Shows a service, message, enum, method, field or extension of a server, or of the hub, as a .proto file would have it; * shows all services. It asks nobody for what the files of --proto or --protoset have. Without --timeout it may take 10s.",
  examples: [
    "gclient describe fluentd.v1.Fluentd edge-1",
    "gclient describe fluentd.v1.StartRequest.wait edge-1",
    "gclient describe Fluentd/Start edge-1",
    "gclient describe edge-1",
    "gclient describe '*' edge-1",
    "gclient describe payments.v1.Payments --protoset payments.protoset",
  ],
  args: [
    {
      name: "symbol",
      summary: "The full name of a service, message, enum, method, field or extension; * for all",
      optional: true,
      complete: symbolOrServerWords,
    },
    { ...server, complete: afterSymbolWords },
  ],
  options,
  needs,
  notes: EXIT_CODES_HELP,
  run(context) {
    const [first = ALL] = context.args;
    const all = context.args.length === 1 && isServerOnly(first) ? [ALL, first] : context.args;
    const [symbol = ALL, name] = symbolFirst(all);
    return print(context, { server: name, offline: name === undefined }, async (catalog) => {
      const symbols = symbol === ALL ? await catalog.services() : [symbol];
      const texts: string[] = [];
      for (const one of symbols) {
        const { root, symbol: full } = await catalog.find(one);
        const text = describe(root, full);
        if (text === undefined) {
          throw new UsageError(`"${one}" is no service, message, enum, method, field or extension`);
        }
        texts.push(text);
      }
      return texts.join("\n");
    });
  },
};

export const callCommand: Command = rpcCommand({
  name: "call",
  summary: "Calls any method of a server, or of the hub",
  description:
    "Calls any method of a server, or of the hub. gclient asks the server for its messages by reflection, unless --proto or --protoset has them; it knows those of health, Fluentd and the hub. Without --timeout a call may take 30s, and a stream has no limit. The requests of a stream are sent as they are read; to several servers they are sent when all of them are read, 64 MiB at most. Answers are printed as they come, of several servers too, unless --ordered is given.",
  examples: [
    "gclient call fluentd.v1.Fluentd/GetStatus edge-1 -o yaml",
    "gclient call fluentd.v1.Fluentd/Stop edge-1 --set wait=60s",
    "gclient call payments.v1.Payments/List edge-1/payments -d '{\"limit\": 10}'",
    "gclient call edge-1/payments payments.v1.Payments/List -n",
    "gclient call payments.v1.Payments/List edge-1/payments -p -o yaml > req.yaml",
    "gclient call grpc.health.v1.Health/Check --all",
    "gclient call Payments/List edge-1/payments --proto payments.proto -I protos",
  ],
  args: [{
    name: "method",
    summary: "package.Service/Method, or as much of its end as only one method has",
    complete: methodOrServerWords,
  }, servers],
  arrangeArgs: symbolFirst,
  title: ({ args }) => args[0] ?? "call",
  method: async (context, route) => {
    const [method = "", server] = context.args;
    const offline = (context.options as RequestValues).printSampleRequest;
    await using opened = await open(context, { server, route });
    const found = await opened.catalog.method(method, { offline });
    await opened.keep();
    return found;
  },
  options: schemaOptions,
  needs,
  toServer: true,
  serverAt: 1,
  timeoutMs: () => CALL_TIMEOUT_MS,
});
