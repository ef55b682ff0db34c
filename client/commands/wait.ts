/**
 * `gclient wait SERVER… --for online|offline|healthy`: ends when it is so, or when its time is over.
 *
 * It asks again and again, and so outlives a hub that is restarted.
 *
 * @module
 */
import { delay } from "../../shared/async/delay.ts";
import type { Command, Context } from "../../shared/cli/command.ts";
import type {
  fluentd_v1_GetStatusResponse as GetStatusResponse,
  ghub_v1_ListServersResponse as ListServersResponse,
} from "../../shared/gen/types.ts";
import { Status } from "../../shared/grpc/status.ts";
import { CallFailedError } from "../call/failure.ts";
import { look, type LookPlan } from "../call/look.ts";
import { planRoute, type RouteValues, shareChannels } from "../call/route.ts";
import { attemptServerList } from "../call/server_list.ts";
import { connectionNeeds, connectionOptions } from "../connect/connection_options.ts";
import { givenFlags } from "../connect/given_flags.ts";
import { EXIT_CODES_HELP, exitCodeOf } from "../print/exit_code.ts";
import { failureText } from "../print/failure_text.ts";
import { showProgress } from "../print/progress.ts";
import { serverNames } from "./server_argument.ts";

const DEFAULT_TIMEOUT_MS = 120_000;
/** One question takes no longer. */
const ASK_TIMEOUT_MS = 10_000;
/** Between two questions. */
const ASK_EVERY_MS = 1000;

const CONDITIONS = ["online", "offline", "healthy"] as const;
type Condition = (typeof CONDITIONS)[number];

export const waitCommand: Command = {
  name: "wait",
  summary: "Waits until servers are online, offline, or have a healthy Fluentd",
  description:
    "Waits until all of these servers are online, are offline, or have a healthy Fluentd. " +
    "Without --timeout it waits for 2m, then it ends with 68.",
  examples: [
    "gclient wait edge-1 --for online --timeout 5m",
    "gclient fluentd restart edge-1 && gclient wait edge-1 --for healthy",
  ],
  args: [{ name: "server", summary: "The servers", many: true, complete: serverNames }],
  options: {
    condition: {
      flag: "--for",
      value: "CONDITION",
      choices: CONDITIONS,
      defaultText: "online",
      help: "What to wait for",
      perRun: true,
    },
    ...connectionOptions,
  },
  needs: connectionNeeds,
  notes: EXIT_CODES_HELP,
  async run(context) {
    try {
      return await wait(context);
    } catch (error) {
      if (!(error instanceof CallFailedError)) throw error;
      await context.io.stderr.write(failureText(error.failure));
      return exitCodeOf(error.failure.error.code);
    }
  },
};

async function wait(context: Context): Promise<number> {
  const { args, io, signal } = context;
  const values = context.options as RouteValues & { condition?: Condition };
  const { condition = "online", timeoutMs = DEFAULT_TIMEOUT_MS } = values;
  const planned = await planRoute(context, undefined);
  const until = Date.now() + timeoutMs;
  await using channels = new AsyncDisposableStack();
  const route = shareChannels(planned, { channels, deadline: until });
  const what = `wait for ${args.join(", ")} to be ${condition}`;
  using _ = showProgress({ what, limitMs: timeoutMs, stderr: io.stderr });
  for (;;) {
    const deadline = Math.min(until, Date.now() + ASK_TIMEOUT_MS);
    const place: LookPlan = { title: "wait", flags: givenFlags(context.given), route, deadline };
    const states = condition === "healthy"
      ? await Promise.all(args.map((name) => healthOf(name, place)))
      : await statesOf(args, place);
    const isMet = (state: string) =>
      condition === "offline" ? state !== "ONLINE" && !state.startsWith("?") : (
        state === condition.toUpperCase()
      );
    if (states.every(isMet)) return 0;
    if (Date.now() + ASK_EVERY_MS >= until) {
      const late = args.flatMap((name, i) =>
        isMet(states[i]!) ? [] : [`${name} (${states[i]!.replace(/^\?/, "")})`]
      );
      await io.stderr.write(`error: wait: not ${condition} in time: ${late.join(", ")}\n`);
      return exitCodeOf(Status.DEADLINE_EXCEEDED);
    }
    await delay(ASK_EVERY_MS, { signal });
  }
}

/** The state of each server: `ONLINE`, …; `unknown to the hub`; or after a `?` why it is not known. */
async function statesOf(names: readonly string[], place: LookPlan): Promise<string[]> {
  const { answer, passing } = await look<ListServersResponse>(place, {
    method: "ghub.v1.Hub/ListServers",
    fields: { includeOffline: true },
    attempt: attemptServerList,
  });
  if (passing !== undefined) return names.map(() => `?${passing.error.message}`);
  const { servers = [], hubsSilent = [] } = answer;
  return names.map((name) => {
    const found = servers.find((server) => server.name === name);
    // It may be online there.
    if (found?.state !== "ONLINE" && hubsSilent.length > 0) {
      return `?no answer from ${hubsSilent.join(", ")}`;
    }
    return found === undefined ? "unknown to the hub" : found.state ?? "STATE_UNKNOWN";
  });
}

/** `HEALTHY`, …; or after a `?` why it is not known. */
async function healthOf(server: string, place: LookPlan): Promise<string> {
  const method = "fluentd.v1.Fluentd/GetStatus";
  const { answer, passing } = await look<GetStatusResponse>({ ...place, server }, { method });
  return passing === undefined
    ? answer.state?.health ?? "HEALTH_UNKNOWN"
    : `?${passing.error.message}`;
}
