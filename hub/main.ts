/**
 * `ghub`: parses, runs, sets the exit code.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { deadline } from "../shared/async/deadline.ts";
import { untilAborted } from "../shared/async/until_aborted.ts";
import { configureLog } from "../shared/cli/log.ts";
import { dropPermissions } from "../shared/cli/permissions.ts";
import { runProgram } from "../shared/cli/program.ts";
import { type Context, defineCommand, type Env, type Program } from "../shared/cli/command.ts";
import { optionsPart, Reloader } from "../shared/cli/reload.ts";
import { reloadCommand } from "../shared/cli/reload_command.ts";
import { serveReload } from "../shared/cli/reload_socket.ts";
import { reloadedState, SystemdNotifier } from "../shared/systemd/notify.ts";
import { trustDefaultAuthorities } from "../shared/tls/default_authorities.ts";
import { pinOf } from "../shared/tls/pin.ts";
import { VERSION } from "../shared/version.ts";
import { auditCommand } from "./commands/audit.ts";
import { authCommand } from "./commands/auth.ts";
import { commandStateDirs } from "./commands/command_state_dir.ts";
import { enrollCommands } from "./commands/enroll.ts";
import { certCommand } from "./commands/cert.ts";
import { hubDoctorCommand } from "./commands/doctor.ts";
import { CertificateWatch } from "./net/certificate_watch.ts";
import { type HubConfig, toConfig } from "./commands/serve_config.ts";
import { startHub } from "./hub.ts";
import type { RunningHub } from "./hub_options.ts";
import { machineName } from "./commands/machine_name.ts";
import { openFileLimit } from "./limits/open_files.ts";
import { options } from "./commands/serve_options.ts";
import { certificatePart } from "./reload_parts.ts";
import { quickStart } from "./commands/quick_start.ts";
import { isWorkerThread, serveWorker } from "./workers/serve_worker.ts";
import { startWorkers } from "./workers/worker_group.ts";

/** What closing may take after the drain's own time. */
const CLOSE_MS = 5_000;

const serve = defineCommand({
  name: "serve",
  summary: "Runs the hub",
  description: "Runs the hub: servers dial in on one port, operators call them through the other.",
  examples: [
    "ghub --tls-cert test.crt",
    "ghub serve --tls --tls-cert-file hub.crt --tls-key-file hub.key --call-tls",
    "ghub serve --tunnel-listen 127.0.0.1:0 --call-listen 127.0.0.1:0",
  ],
  notes: "SIGTERM and SIGINT let the calls in flight end (--drain-timeout); a second one exits " +
    "at once. SIGHUP reloads auth file, certificates, secret of links, audit file and log level, and logs what " +
    "became of each. Exit codes: 0 ended by a signal, 1 cannot run, 2 wrong command line.",
  options,
  run: serveHub,
});

export const program: Program = {
  name: "ghub",
  envPrefix: "GHUB",
  version: VERSION,
  summary: "Carries gRPC calls to servers that nobody can dial",
  defaultCommand: "serve",
  commands: [
    serve,
    reloadCommand({ program: "ghub", stateDirs: commandStateDirs }),
    ...enrollCommands,
    authCommand,
    auditCommand,
    certCommand,
    hubDoctorCommand,
  ],
};

async function serveHub(context: Context<typeof options>): Promise<number> {
  const { options: values, io, env, signal } = context;
  await configureLog({ level: values.logLevel, format: values.logFormat });
  const log = getLogger(["hub"]);
  const config = await toConfig(values, env);
  for (const warning of config.warnings) log.warn(literal(warning));
  const hubOptions = { ...config.hub, openFiles: openFileLimit() };
  const hub = config.workers === 1 ? await startHub(hubOptions) : await startWorkers({
    count: config.workers,
    module: import.meta.url,
    hub: hubOptions,
    log: { level: values.logLevel, format: values.logFormat },
  });
  const { certificate } = config;
  using watch = certificate === undefined ? undefined : new CertificateWatch({
    files: certificate.files,
    current: certificate,
    use: (identity) => hub.useCertificate(identity),
  });
  using systemd = new SystemdNotifier(env);
  let lastReloadGood = true;
  try {
    const { metricsListen: listen } = config;
    using metrics = listen && (await import("./observe/metrics.ts")).startMetrics({
      listen,
      usage: () => hub.usage(),
      cluster: hub.cluster && (() => hub.cluster!.usage),
      links: hub.links && (() => hub.links!),
      workerConnections: hub.workerConnections && (() => hub.workerConnections!),
      isReady: () => hub.isReady,
      lastReloadGood: () => lastReloadGood,
      certificate: watch && {
        file: certificate?.files.certFile ?? "",
        notAfter: () => watch.notAfter,
      },
    });
    for (const line of quickStartOf(config, hub)) log.info(literal(line));
    if (certificate !== undefined && config.hub.tunnelTls !== undefined) {
      const pin = pinOf(certificate.cert);
      // Not a property: those are shown in quotes, and this is there to be copied.
      log.info(`Servers may pin the key of the hub's certificate: --pin-sha256 ${pin}`);
    }
    const { tunnelAddress, callAddress, wildcards } = hub;
    const on = (address: string | undefined) =>
      address === undefined ? "" : ` (listens on ${address})`;
    const status = `Tunnels at ${tunnelAddress}${on(wildcards.tunnel)}, ` +
      `calls at ${callAddress}${on(wildcards.call)}`;
    const reloader = new Reloader({
      parts: [
        optionsPart(options, {
          values,
          reread: context.reread,
          onLog: hub.useLog && ((log) => hub.useLog!(log)),
        }),
        ...hub.reloadParts,
        ...(watch && certificate ? [certificatePart(watch, certificate.files.certFile)] : []),
      ],
      onStart: () => void systemd.notify({ RELOADING: 1 }),
      onEnd: ({ failed }) => {
        lastReloadGood = failed === 0;
        void systemd.notify(reloadedState(status, failed));
      },
    });
    context.onHangup(() => void reloader.reload("SIGHUP"));
    const { stateDir } = config.hub;
    using _socket = stateDir === undefined
      ? undefined
      : serveReload(stateDir, () => reloader.reload("reload"));
    dropUnneeded(config, env);
    // Scripts dial the first two. Where the hub listens is another thing, if that is everywhere.
    const fields = {
      metrics: metrics?.address,
      peer: hub.peerAddress,
      "tunnel-listen": wildcards.tunnel,
      "call-listen": wildcards.call,
    };
    const more = Object.entries(fields)
      .map(([name, value]) => value === undefined ? "" : ` ${name}=${value}`).join("");
    await io.stdout.write(`ghub ready tunnel=${tunnelAddress} call=${callAddress}${more}\n`);
    await systemd.notify({
      READY: 1,
      STATUS: status,
    });
    await Promise.race([untilAborted(signal), hub.closed]);
    if (!signal.aborted) throw new Error("The hub ended by itself");
    void systemd.notify({ STOPPING: 1, STATUS: "Calls in flight end" });
    const { drainTimeoutMs } = values;
    log.info("Draining: calls in flight have {ms} ms", { ms: drainTimeoutMs });
    const draining = hub.drain(AbortSignal.timeout(drainTimeoutMs));
    await deadline(draining, drainTimeoutMs + CLOSE_MS, { what: "drain" });
    return 0;
  } finally {
    hub.close();
    await deadline(hub.closed, CLOSE_MS, { what: "close" }).catch((error) =>
      log.warn("Did not close in an orderly way: {error}", { error })
    );
  }
}

/**
 * Gives back the permissions that were needed at the start alone. An auth file may name keys to fetch,
 * a cluster has an engine, and systemd is told how it goes; any other hub opens no connection to anywhere.
 */
function dropUnneeded({ hub: { authFile, cluster } }: HubConfig, env: Env): void {
  // In a test that runs it in its own process they are the test's.
  if (!import.meta.main) return;
  dropPermissions("run", "ffi");
  const { NOTIFY_SOCKET: systemd = "" } = env;
  const isAlone = authFile === undefined && cluster === undefined;
  if (isAlone && systemd === "") dropPermissions("net");
}

/** Text in which no brace is a placeholder. */
function literal(text: string): string {
  return text.replace(/[{}]/g, "$&$&");
}

function quickStartOf({ hub: options, certificate }: HubConfig, hub: RunningHub): string[] {
  const { stateDir, authFile, tunnelListen, callListen, callTls, allowPlaintextCalls } = options;
  if (stateDir === undefined || authFile !== undefined) return [];
  return quickStart({
    tunnelAddress: hub.tunnelAddress,
    tunnelHost: tunnelListen.hostname,
    callAddress: hub.callAddress,
    callHost: callListen.hostname,
    callTls: callTls !== undefined,
    allowPlaintextCalls: allowPlaintextCalls ?? true,
    stateDir,
    machine: machineName(Deno.hostname(), certificate?.cert),
    authority: certificate?.authority,
  });
}

if (import.meta.main) {
  trustDefaultAuthorities();
  if (isWorkerThread()) serveWorker();
  else Deno.exit(await runProgram(program, Deno.args));
}
