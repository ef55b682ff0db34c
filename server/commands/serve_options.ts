/**
 * The command line of `gserver serve`, and what it means.
 *
 * @module
 */
import { join } from "node:path";
import { LOG_FORMATS, LOG_LEVELS } from "../../shared/cli/log.ts";
import type { OptionValues } from "../../shared/cli/option.ts";
import { parseDuration } from "../../shared/cli/parse_duration.ts";
import { parseSize } from "../../shared/cli/parse_size.ts";
import { UsageError } from "../../shared/cli/usage_error.ts";
import { DRAIN_TIMEOUT_MS } from "../tunnel/agent.ts";
import { parseCommand } from "./command_line.ts";
import { DIAL_TIMEOUT_MS } from "../dial/dial.ts";
import type { FluentdOptions } from "../fluentd/mod.ts";
import { MAX_MESSAGE_BYTES } from "../serving/grpc_server.ts";
import { distinctHubUris, MAX_HUB_URIS, parseHubUris } from "./hub_uri.ts";
import { parseLabelsFlag } from "./labels.ts";
import type { Env } from "../../shared/cli/command.ts";
import { hasPassword } from "../../shared/net/proxy.ts";
import { HEARTBEAT, type ServerOptions } from "../server.ts";
import { parsePinFlag } from "../dial/tls_pins.ts";
import { defaultServerName, parseServerName } from "./server_name.ts";
import { defaultStateDir } from "./state_dir.ts";
import { parseExpose, parseUpstreamOption, toUpstreams } from "../upstream/upstream.ts";

const HUB = "Hub";
const TLS = "TLS towards the hub";
const UPSTREAMS = "Upstreams";
const FLUENTD = "Fluentd";
const LIMITS = "Limits";

/** Where the token is when no file is given: not a flag, which all users of the machine could read. */
export const TOKEN_VARIABLE = "GSERVER_TOKEN";

/** The options of `gserver serve`. */
export const options = {
  hubUri: {
    flag: "--hub-uri",
    value: "URI",
    many: true,
    parse: parseHubUris,
    default: [parseHubUris("wss://localhost:8080/ws")],
    defaultText: "wss://localhost:8080/ws",
    help:
      "The hub's tunnel port: wss://, ws://, https:// or http://; the path is /ws if none is given. " +
      "Repeat it, or use a name with several addresses, for more hubs",
    group: HUB,
  },
  maxHubs: {
    flag: "--max-hubs",
    value: "N",
    parse: parseMaxHubs,
    help:
      "To how many of these hubs it keeps a tunnel: to the best that answer. Given for a single " +
      "URI, the same one is dialled again, because a balancer may lead to another hub",
    defaultText: "2, if there are as many",
    group: HUB,
  },
  tokenFile: {
    flag: "--token-file",
    value: "FILE",
    help:
      `File with this server's token or the join token, read at each dial; or set ${TOKEN_VARIABLE}`,
    complete: "file",
    group: HUB,
  },
  labels: {
    flag: "--labels",
    value: "KEY=VALUE,…",
    parse: parseLabelsFlag,
    default: {},
    defaultText: "none",
    help: "Labels that operators select servers by: env=prod,site=ams",
    group: HUB,
  },
  expose: {
    flag: "--expose",
    value: "NAME=ADDRESS",
    many: true,
    parse: parseExpose,
    help:
      "Makes a gRPC server at HOST:PORT, unix:/PATH or tls://HOST:PORT reachable as SERVER/NAME; " +
      "may be repeated",
    group: UPSTREAMS,
  },
  upstreamTokenFile: {
    flag: "--upstream-token-file",
    value: "NAME=FILE",
    many: true,
    parse: parseUpstreamOption,
    help:
      "The token that this upstream asks for: sent to it as authorization: Bearer, with calls " +
      "that bring none of their own",
    group: UPSTREAMS,
  },
  upstreamCaFile: {
    flag: "--upstream-ca-file",
    value: "NAME=FILE",
    many: true,
    parse: parseUpstreamOption,
    help: "PEM file of the authorities to trust at a tls:// upstream, in place of the system's",
    group: UPSTREAMS,
  },
  upstreamServerName: {
    flag: "--upstream-server-name",
    value: "NAME=HOST",
    many: true,
    parse: parseUpstreamOption,
    help: "The name that its certificate must carry, when it is not the one dialled",
    group: UPSTREAMS,
  },
  upstreamCertFile: {
    flag: "--upstream-cert-file",
    value: "NAME=FILE",
    many: true,
    parse: parseUpstreamOption,
    help: "PEM file of the client certificate that is shown to it",
    group: UPSTREAMS,
  },
  upstreamKeyFile: {
    flag: "--upstream-key-file",
    value: "NAME=FILE",
    many: true,
    parse: parseUpstreamOption,
    help: "PEM file of that certificate's key; without it, the key is looked for next to it",
    group: UPSTREAMS,
  },
  proxy: {
    flag: "--proxy",
    value: "URL",
    isSecret: hasPassword,
    help:
      "Proxy to dial through (http://, https://, socks5://, socks5h://), or direct; default from " +
      "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY. A URL with a password belongs in the " +
      "environment (GSERVER_PROXY), not on the command line",
    group: HUB,
  },
  proxyCaCertFile: {
    flag: "--proxy-ca-cert-file",
    value: "FILE",
    help: "PEM file of the authorities to trust for an https:// proxy, in place of the system's",
    complete: "file",
    group: HUB,
  },
  tlsCaCertFile: {
    flag: "--tls-ca-cert-file",
    value: "FILE",
    help: "PEM file of the certificate authorities to trust, in place of the system's",
    complete: "file",
    group: TLS,
  },
  tlsServerName: {
    flag: "--tls-server-name",
    value: "NAME",
    help: "The name that the hub's certificate must carry, when it is not the one dialled",
    group: TLS,
  },
  tlsCertFile: {
    flag: "--tls-cert-file",
    value: "FILE",
    help: "The certificate to show the hub, as PEM; its key lies next to it (x.crt: x.key)",
    complete: "file",
    group: TLS,
  },
  tlsKeyFile: {
    flag: "--tls-key-file",
    value: "FILE",
    help: "PEM file of the client certificate's key",
    complete: "file",
    group: TLS,
  },
  pinSha256: {
    flag: "--pin-sha256",
    value: "PIN",
    many: true,
    parse: parsePinFlag,
    help: "SHA-256 of the public key that the hub's certificate must have, in base64 or hex; " +
      "repeat it for the next key",
    group: TLS,
  },
  tlsInsecureSkipVerify: {
    flag: "--tls-insecure-skip-verify",
    help: "Trusts any certificate: for trials only",
    group: TLS,
  },
  fluentdManager: {
    flag: "--fluentd-manager",
    value: "WHO",
    choices: ["auto", "systemd", "spawn", "none"],
    default: "auto",
    help:
      "What keeps Fluentd running: auto is systemd if it has the unit, else spawn; none: no control",
    group: FLUENTD,
  },
  fluentdCommand: {
    flag: "--fluentd-command",
    value: "COMMAND",
    parse: parseCommand,
    default: ["fluentd"],
    defaultText: "fluentd",
    help: "What the spawn manager runs, in the foreground: no -d",
    group: FLUENTD,
  },
  fluentdConfig: {
    flag: "--fluentd-config",
    value: "FILE",
    help: "Fluentd's configuration file",
    complete: "file",
    group: FLUENTD,
  },
  fluentdUnit: {
    flag: "--fluentd-unit",
    value: "UNIT",
    default: "fluentd.service",
    help: "The unit that the systemd manager controls",
    group: FLUENTD,
  },
  fluentdLog: {
    flag: "--fluentd-log",
    value: "FILE",
    help: "Fluentd's log file, where neither its arguments nor its unit tell",
    complete: "file",
    group: FLUENTD,
  },
  fluentdMonitor: {
    flag: "--fluentd-monitor",
    value: "HOST:PORT",
    help: "Fluentd's monitor_agent; without it buffers are unknown",
    group: FLUENTD,
  },
  policyFile: {
    flag: "--policy-file",
    value: "FILE",
    help: "What operators may call here, whatever the hub lets them; read again when it changes",
    complete: "file",
  },
  stateDir: {
    flag: "--state-dir",
    value: "DIR",
    help: "Folder for state; default $STATE_DIRECTORY, for root /var/lib/gserver, " +
      "else $XDG_STATE_HOME/gserver",
    complete: "directory",
  },
  pingInterval: {
    flag: "--ping-interval",
    value: "DURATION",
    parse: parseDuration,
    default: HEARTBEAT.pingIntervalMs,
    defaultText: "5s",
    help: "How often to ping the hub; a number from the hub takes precedence",
    group: LIMITS,
  },
  deadAfter: {
    flag: "--dead-after",
    value: "DURATION",
    parse: parseDuration,
    default: HEARTBEAT.deadAfterMs,
    defaultText: "15s",
    help: "Silence of this length ends a tunnel; a number from the hub takes precedence",
    group: LIMITS,
  },
  handshakeTimeout: {
    flag: "--handshake-timeout",
    value: "DURATION",
    parse: parseDuration,
    default: DIAL_TIMEOUT_MS,
    defaultText: "10s",
    help: "How long dialling may take, from DNS to the hub's answer",
    group: LIMITS,
  },
  drainTimeout: {
    flag: "--drain-timeout",
    value: "DURATION",
    parse: parseDuration,
    default: DRAIN_TIMEOUT_MS,
    defaultText: "30s",
    help: "How long calls in flight may take to end after SIGTERM; a second signal exits at once",
    group: LIMITS,
  },
  maxMessage: {
    flag: "--max-message",
    value: "SIZE",
    parse: parseSize,
    default: MAX_MESSAGE_BYTES,
    defaultText: "64MiB",
    help: "The largest message that this server's own services take",
    group: LIMITS,
  },
  logLevel: {
    flag: "--log-level",
    value: "LEVEL",
    choices: LOG_LEVELS,
    default: "info",
    help: "Leaves out what is less important",
  },
  logFormat: {
    flag: "--log-format",
    value: "FORMAT",
    choices: LOG_FORMATS,
    default: "text",
    help: "Lines for people, or JSON for programs",
  },
} as const;

/** What `gserver serve` runs with. */
export interface ServerConfig {
  readonly server: ServerOptions;
  /** `undefined` if it has nothing to do with Fluentd. */
  readonly fluentd: FluentdOptions | undefined;
  readonly stateDir: string;
  /** The server's own policy. */
  readonly policyFile: string | undefined;
  /** What whoever starts it should know. */
  readonly warnings: readonly string[];
}

/** The machine and its user. */
export interface Machine {
  readonly env: Env;
  readonly hostname: string;
  /** `null` where there are none. */
  readonly uid: number | null;
}

/**
 * What arguments and options mean.
 *
 * @throws {UsageError} If they contradict each other.
 */
export function toConfig(
  args: readonly string[],
  values: OptionValues<typeof options>,
  { env, hostname, uid }: Machine,
): ServerConfig {
  const [given] = args;
  const name = given === undefined ? defaultServerName(hostname) : parseServerName(given);
  const warnings: string[] = [];
  if (given === undefined && name !== hostname) {
    warnings.push(`This machine's name "${hostname}" cannot be a server's name: using "${name}"`);
  }
  const hubUris = distinctHubUris(values.hubUri);
  const plain = hubUris.find(({ protocol }) => protocol !== "wss:");
  if (values.pinSha256.length > 0 && plain !== undefined) {
    throw new UsageError("--pin-sha256 needs TLS, and --hub-uri has none", {
      hint: `Write wss: ${plain.href.replace(/^ws:/, "wss:")}`,
    });
  }
  if (values.tlsInsecureSkipVerify && values.pinSha256.length === 0) {
    warnings.push("Certificates are not verified: anybody in between can pose as the hub");
  }
  if (values.tlsKeyFile !== undefined && values.tlsCertFile === undefined) {
    throw new UsageError("--tls-key-file needs --tls-cert-file");
  }
  checkHeartbeat(values.pingInterval, values.deadAfter);
  const { path: stateDir, warning } = values.stateDir === undefined
    ? defaultStateDir(env, uid)
    : { path: values.stateDir, warning: undefined };
  if (warning !== undefined) warnings.push(warning);
  return {
    stateDir,
    policyFile: values.policyFile,
    warnings,
    server: {
      name,
      hubUri: hubUris,
      maxHubs: values.maxHubs,
      labels: values.labels,
      token: { file: values.tokenFile, value: env[TOKEN_VARIABLE] },
      tls: {
        caCertFile: values.tlsCaCertFile,
        certFile: values.tlsCertFile,
        keyFile: values.tlsKeyFile,
        serverName: values.tlsServerName,
        insecureSkipVerify: values.tlsInsecureSkipVerify,
      },
      pins: values.pinSha256,
      proxy: values.proxy,
      proxyCaCertFile: values.proxyCaCertFile,
      env,
      expose: toUpstreams(values),
      heartbeat: { pingIntervalMs: values.pingInterval, deadAfterMs: values.deadAfter },
      handshakeTimeoutMs: values.handshakeTimeout,
      drainTimeoutMs: values.drainTimeout,
      maxMessageBytes: values.maxMessage,
    },
    fluentd: values.fluentdManager === "none" ? undefined : {
      manager: values.fluentdManager,
      command: values.fluentdCommand,
      configPath: values.fluentdConfig,
      unit: values.fluentdUnit,
      stateDir: join(stateDir, "fluentd"),
      monitor: values.fluentdMonitor,
      logPath: values.fluentdLog,
    },
  };
}

function parseMaxHubs(text: string): number {
  if (/^\d{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_HUB_URIS) {
    return Number(text);
  }
  throw new UsageError(`"${text}" is not a number of 1 to ${MAX_HUB_URIS}`);
}

function checkHeartbeat(pingIntervalMs: number, deadAfterMs: number): void {
  if (pingIntervalMs > 0 && deadAfterMs >= 2 * pingIntervalMs) return;
  throw new UsageError("--dead-after must be at least twice --ping-interval", {
    hint: "One lost ping is no death: write --ping-interval 5s --dead-after 15s",
  });
}
