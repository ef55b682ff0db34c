/**
 * `gserver`: parses, runs, sets the exit code.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { untilAborted } from "../shared/async/until_aborted.ts";
import { configureLog } from "../shared/cli/log.ts";
import { dropPermissions } from "../shared/cli/permissions.ts";
import { runProgram } from "../shared/cli/program.ts";
import { type Context, defineCommand, type Program } from "../shared/cli/command.ts";
import { optionsPart, Reloader } from "../shared/cli/reload.ts";
import { reloadCommand } from "../shared/cli/reload_command.ts";
import { serveReload } from "../shared/cli/reload_socket.ts";
import { reloadedState, SystemdNotifier } from "../shared/systemd/notify.ts";
import { trustDefaultAuthorities } from "../shared/tls/default_authorities.ts";
import { VERSION } from "../shared/version.ts";
import { toConfig } from "./commands/serve_config.ts";
import { options, TOKEN_VARIABLE } from "./commands/serve_options.ts";
import { Mask } from "./fluentd/mask.ts";
import { fluentdService } from "./fluentd/mod.ts";
import { serverDoctorCommand } from "./commands/doctor.ts";
import { policyCommand } from "./commands/policy.ts";
import { Guard } from "./policy/guard.ts";
import { startServer } from "./server.ts";
import { SMALL_REQUEST_BYTES } from "./serving/request_limits.ts";
import { whenUsable } from "./commands/when_usable.ts";
import { type Service, toService } from "./serving/services.ts";
import { defaultStateDir, makeStateDir } from "./commands/state_dir.ts";

/** What a program made of this one may add. */
export interface ProgramOptions {
  /** Served in addition to the server's own. @default [] */
  readonly services?: readonly Service[];
}

/** The program as a table. */
export function createProgram({ services = [] }: ProgramOptions = {}): Program {
  const serve = defineCommand({
    name: "serve",
    summary: "Registers this machine at a hub and serves calls from there",
    description:
      "Dials the hub, registers this machine under a name, and serves gRPC on that connection: " +
      "Fluentd control, health, reflection, and whatever --expose names. It reconnects after each loss.",
    examples: [
      "gserver serve edge-1 --hub-uri wss://hub.example:8080/ws --token-file join.token",
      "gserver serve edge-1 --tls-insecure-skip-verify --hub-uri wss://localhost:8080/ws",
      "gserver serve edge-1 --hub-uri wss://hub.example:8080/ws --policy-file policy.yaml",
      "gserver serve edge-1 --labels env=prod,site=ams --expose payments=127.0.0.1:50051",
    ],
    notes: `The hub's join token may be given in ${TOKEN_VARIABLE} too. ` +
      "SIGTERM and SIGINT let the calls in flight end (--drain-timeout), a second one exits at " +
      "once. SIGHUP reloads token, certificates, policy and log level, and logs what became of each. " +
      "gserver waits for a token, certificate or policy file that is missing or not valid. " +
      "Exit codes: 0 ended by a signal, 1 cannot run, 2 wrong command line.",
    args: [{
      name: "name",
      summary: "The server's name at the hub; default: this machine's name",
      optional: true,
    }],
    options,
    run: (context) => runServer(context, services),
  });
  return {
    name: "gserver",
    envPrefix: "GSERVER",
    version: VERSION,
    summary: "Makes this machine reachable through a hub",
    defaultCommand: "serve",
    commands: [
      serve,
      reloadCommand({
        program: "gserver",
        stateDirs: (env) => [defaultStateDir(env, Deno.uid()).path],
      }),
      serverDoctorCommand,
      policyCommand,
    ],
  };
}

async function runServer(
  { args, options: values, env, io, signal, onHangup, reread }: Context<typeof options>,
  services: readonly Service[],
): Promise<number> {
  const mask = new Mask();
  await configureLog({
    level: values.logLevel,
    format: values.logFormat,
    mask: (line) => mask.known(line),
  });
  const log = getLogger(["server"]);
  const machine = { env, hostname: Deno.hostname(), uid: Deno.uid() };
  const config = toConfig(args, values, machine);
  for (const warning of config.warnings) log.warn(warning.replace(/[{}]/g, "$&$&"));
  makeStateDir(config.stateDir);
  const fluentd = config.fluentd &&
    toService("fluentd.v1.Fluentd", {
      ...await fluentdService({ ...config.fluentd, mask }),
      maxRequestBytes: SMALL_REQUEST_BYTES,
    });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => fluentd?.close?.());
  const { policyFile, stateDir } = config;
  const systemd = cleanup.use(new SystemdNotifier(env));
  // Without its policy it serves nobody, but it does not end either.
  const guard = policyFile === undefined ? undefined : cleanup.use(
    await whenUsable(() => new Guard({ policyFile, stateDir }), {
      what: `policy file ${policyFile}`,
      signal,
      onWaiting: () => void systemd.notify({ READY: 1, STATUS: `waits for ${policyFile}` }),
    }),
  );
  const server = await startServer({
    ...config.server,
    services: [...(fluentd === undefined ? [] : [fluentd]), ...services],
    guard,
    onState(name, { state }, { uri, status }) {
      void systemd.notify({ STATUS: status });
      if (state !== "serving") return;
      // Nobody may be reading: that is no reason to end.
      io.stdout.write(`gserver ready server=${name} hub=${uri.href}\n`).catch(() => {});
    },
  });
  cleanup.use(server);
  const reloader = new Reloader({
    parts: [
      optionsPart(options, { values, reread }),
      ...(guard === undefined ? [] : [guard.reloadPart]),
      ...server.reloadParts,
    ],
    onStart: () => void systemd.notify({ RELOADING: 1 }),
    onEnd: ({ failed }) => {
      void systemd.notify(reloadedState(`${config.server.name} serves`, failed));
      // A server that was refused need not wait for its minute to pass: the reason may be mended.
      server.dialNow();
    },
  });
  onHangup(() => void reloader.reload("SIGHUP"));
  cleanup.use(serveReload(stateDir, () => reloader.reload("reload")));
  // Fluentd's processes can be seen with all permissions only; without it few are needed.
  if (fluentd === undefined && import.meta.main) {
    dropPermissions("run", "ffi", "sys");
  }
  // Not when it is registered: a hub that is away for now is no failed start of this machine.
  await systemd.notify({ READY: 1 });
  await untilAborted(signal);
  void systemd.notify({ STOPPING: 1 });
  log.info("Stopping: calls in flight have {ms} ms", { ms: values.drainTimeoutMs });
  await server.stop();
  return 0;
}

if (import.meta.main) {
  trustDefaultAuthorities();
  Deno.exit(await runProgram(createProgram(), Deno.args));
}
