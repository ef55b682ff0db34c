/**
 * The table of `ghub serve`'s options.
 *
 * @module
 */
import { logOptions } from "../../shared/cli/log_options.ts";
import type { Options, OptionValues } from "../../shared/cli/option.ts";
import { count } from "../../shared/cli/parse_count.ts";
import { DURATION, parseDuration } from "../../shared/cli/parse_duration.ts";
import { address } from "../../shared/cli/parse_host_port.ts";
import { parseSize, SIZE } from "../../shared/cli/parse_size.ts";
import { UsageError } from "../../shared/cli/usage_error.ts";
import { USUAL_ADDRESS } from "../../shared/registration/usual_address.ts";
import { AUDIT_FILE } from "../audit/file.ts";
import { LOOPBACK_CHOICES } from "../auth/loopback_trust.ts";
import { MIN_BYTES_PER_S } from "../limits/byte_rate.ts";
import { LIMITS } from "../limits/limits.ts";
import { STREAM_BYTES } from "../peer/receive_budget.ts";
import { peerOptions } from "./peer_options.ts";
import { clusterOptions } from "./cluster_options.ts";
import { TUNNEL_PORT } from "../tunnels/tunnel_port_options.ts";

/** Calls that a limit may allow at a time. */
const CALLS = count({ from: 1, to: 100_000 });

/** Threads of one hub: each has a link to each. */
export const MAX_WORKERS = 64;

const LISTEN = "Addresses";
const TLS = "TLS";
const AUTH = "Access";
const TIMES = "Times and limits";
const LOG = "Log";

/** What the tunnel port is told, as `TunnelPortOptions`. */
export const tunnelOptions = {
  tunnelPath: {
    flag: "--tunnel-path",
    value: "PATH",
    parse: parsePath,
    default: TUNNEL_PORT.tunnelPath,
    help: "The path that servers dial",
    group: LISTEN,
  },
  pingIntervalMs: {
    flag: "--ping-interval",
    ...DURATION,
    parse: parsePositive,
    default: TUNNEL_PORT.pingIntervalMs,
    help: "How often both ends of a tunnel ping",
    group: TIMES,
  },
  deadAfterMs: {
    flag: "--dead-after",
    ...DURATION,
    parse: parsePositive,
    default: TUNNEL_PORT.deadAfterMs,
    help: "Silence of this length closes a tunnel",
    group: TIMES,
  },
  reconnectSpreadMs: {
    flag: "--reconnect-spread",
    ...DURATION,
    default: TUNNEL_PORT.reconnectSpreadMs,
    help: "Servers that lost their tunnel dial again within this time, each at a random moment",
    group: TIMES,
  },
  maxHandshakesPerS: {
    flag: "--max-handshakes-per-second",
    ...count({ from: 1, to: 10_000 }),
    default: TUNNEL_PORT.maxHandshakesPerS,
    help: "Tunnels that may open in one second; the hub tells other servers when to come back",
    group: TIMES,
  },
} as const satisfies Options;

/** What the limits are told, as `LimitsOptions`. */
export const limitsOptions = {
  maxCallsPerOperator: {
    flag: "--max-calls-per-operator",
    ...CALLS,
    default: LIMITS.maxCallsPerOperator,
    help: "Calls that one operator may have open at a time, over all connections",
    group: TIMES,
  },
  maxCallsPerServer: {
    flag: "--max-calls-per-server",
    ...CALLS,
    default: LIMITS.maxCallsPerServer,
    help: "Calls that one server may have open at a time",
    group: TIMES,
  },
  maxBytesPerSPerOperator: {
    flag: "--max-bytes-per-second-per-operator",
    ...SIZE,
    parse: parseRate,
    defaultText: "no limit",
    help: "Byte rate of one operator, both directions together; faster calls are slowed down",
    group: TIMES,
  },
  maxBytesPerSPerServer: {
    flag: "--max-bytes-per-second-per-server",
    ...SIZE,
    parse: parseRate,
    defaultText: "no limit",
    help: "Byte rate of one server, all its calls and both directions together",
    group: TIMES,
  },
  maxBufferedBytesPerOperator: {
    flag: "--max-buffered-per-operator",
    ...SIZE,
    parse: parseBuffered,
    defaultText: "no limit",
    help: "Bytes that the hub stores for one operator that does not read its answers",
    group: TIMES,
  },
  maxMemoryBytes: {
    flag: "--max-memory",
    ...SIZE,
    parse: parseMemory,
    default: LIMITS.maxMemoryBytes,
    help: "Memory for tunnels, calls and buffers together; the hub refuses calls over it",
    group: TIMES,
  },
  maxStreamsPerConnection: {
    flag: "--max-streams-per-connection",
    ...CALLS,
    default: LIMITS.maxStreamsPerConnection,
    help: "Calls that one connection of an operator may have open at a time",
    group: TIMES,
  },
} as const satisfies Options;

/** Options of `ghub serve`. */
export const options = {
  tunnelListen: {
    flag: "--tunnel-listen",
    ...address({ usualPort: USUAL_ADDRESS.tunnelPort }),
    default: { host: "", port: USUAL_ADDRESS.tunnelPort },
    help: "The address on which servers dial in; port 0 takes a free port",
    group: LISTEN,
  },
  callListen: {
    flag: "--call-listen",
    ...address({ usualPort: USUAL_ADDRESS.callPort }),
    default: { host: "", port: USUAL_ADDRESS.callPort },
    help: "The address on which operators call; port 0 takes a free port",
    group: LISTEN,
  },
  metricsListen: {
    flag: "--metrics-listen",
    ...address({ usualPort: 9464 }),
    defaultText: "nowhere",
    help: "The address that serves /metrics to Prometheus, in plain text and without a credential",
    group: LISTEN,
  },
  tlsCert: {
    flag: "--tls-cert",
    value: "FILE",
    help: "Serves tunnels with TLS, with this certificate and the key next to it (x.crt: x.key)",
    group: TLS,
    complete: "file",
  },
  tls: {
    flag: "--tls",
    help: "Serves tunnels with TLS; needs --tls-cert-file and --tls-key-file",
    group: TLS,
  },
  tlsCertFile: {
    flag: "--tls-cert-file",
    value: "FILE",
    help: "The certificate, and its chain, as PEM",
    group: TLS,
    complete: "file",
  },
  tlsKeyFile: {
    flag: "--tls-key-file",
    value: "FILE",
    help: "The certificate's private key, as PEM",
    group: TLS,
    complete: "file",
  },
  clientCa: {
    flag: "--client-ca",
    value: "FILE",
    help: "Asks clients for a certificate, and accepts those that these authorities have signed",
    group: TLS,
    complete: "file",
  },
  callTls: {
    flag: "--call-tls",
    help: "Serves calls with TLS too, with the same certificate",
    group: TLS,
  },
  authFile: {
    flag: "--auth-file",
    value: "FILE",
    help: "YAML file of who may register and call; the hub watches it (ghub auth check FILE)",
    group: AUTH,
    complete: "file",
  },
  allowPlaintextCalls: {
    flag: "--allow-plaintext-calls",
    help: "Accepts calls from other machines without TLS: their tokens can be read on the way",
    group: AUTH,
  },
  trustLoopback: {
    flag: "--trust-loopback",
    value: "WHEN",
    choices: LOOPBACK_CHOICES,
    default: "auto",
    help: "Accepts connections from 127.0.0.1 without a token; auto: not in podman and Kubernetes",
    group: AUTH,
  },
  ...peerOptions,
  ...clusterOptions,
  stateDir: {
    flag: "--state-dir",
    value: "FOLDER",
    defaultText: "$STATE_DIRECTORY, else $XDG_STATE_HOME/ghub",
    help: "The folder for tokens, keys, the audit, and what the hub remembers of its servers",
    complete: "directory",
  },
  workers: {
    flag: "--workers",
    value: "N",
    parse: parseWorkers,
    default: 1,
    help: "Runs the hub in N threads, for a machine with many cores; auto: one for each core",
  },
  ...tunnelOptions,
  drainTimeoutMs: {
    flag: "--drain-timeout",
    ...DURATION,
    default: 30_000,
    help: "How long calls in flight may take to end after SIGTERM",
    group: TIMES,
  },
  ...limitsOptions,
  auditLog: {
    flag: "--audit-log",
    value: "FILE",
    defaultText: "audit.jsonl in the state folder",
    help: "Appends a line of JSON for each call and registration to this file; or stderr, or none",
    group: LOG,
    complete: "file",
  },
  auditMaxBytes: {
    flag: "--audit-max-size",
    ...SIZE,
    default: AUDIT_FILE.maxBytes,
    help: "An audit file that has this size is renamed, and a new one begun",
    group: LOG,
  },
  auditFiles: {
    flag: "--audit-files",
    ...count({ from: 0, to: 9_999 }),
    default: AUDIT_FILE.maxFiles,
    help: "How many renamed audit files are kept; older ones are removed",
    group: LOG,
  },
  ...logOptions,
} as const satisfies Options;

export type ServeValues = OptionValues<typeof options>;

function parseWorkers(text: string): number {
  if (text === "auto") return Math.min(navigator.hardwareConcurrency, MAX_WORKERS);
  if (/^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_WORKERS) {
    return Number(text);
  }
  throw new UsageError(`"${text}" is not a number of workers`, {
    hint: `Write 1 to ${MAX_WORKERS}, or auto for one on each core`,
  });
}

function parsePath(text: string): string {
  if (/^\/[!-~]*$/.test(text) && !/[?#]/.test(text)) return text;
  throw new UsageError(`"${text}" is not a path`, { hint: "Write one like /ws" });
}

function parsePositive(text: string): number {
  const ms = parseDuration(text);
  if (ms > 0) return ms;
  throw new UsageError(`"${text}" is too short`, { hint: "Write 5s or 500ms" });
}

function parseMemory(text: string): number {
  const bytes = parseSize(text);
  if (bytes >= 2 ** 27) return bytes;
  throw new UsageError(`"${text}" is too little`, {
    hint: "An idle hub takes 100MiB: give 256MiB",
  });
}

function parseRate(text: string): number {
  const bytes = parseSize(text);
  if (bytes >= MIN_BYTES_PER_S) return bytes;
  throw new UsageError(`"${text}" is too little`, { hint: "Give 64KiB per second or more" });
}

function parseBuffered(text: string): number {
  const bytes = parseSize(text);
  if (bytes >= STREAM_BYTES) return bytes;
  throw new UsageError(`"${text}" is too little`, {
    hint: "Each call may keep 64KiB in any case: give 1MiB or more",
  });
}
