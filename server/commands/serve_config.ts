/**
 * What the options of `gserver serve` mean, as ServerOptions and FluentdOptions.
 *
 * @module
 */
import { join } from "node:path";
import type { Env } from "../../shared/cli/command.ts";
import { valuesOf } from "../../shared/cli/option.ts";
import { UsageError } from "../../shared/cli/usage_error.ts";
import type { FluentdOptions } from "../fluentd/mod.ts";
import type { ServerOptions } from "../server.ts";
import { toUpstreams } from "../upstream/upstream.ts";
import { distinctHubUris } from "./hub_uri.ts";
import { heartbeatOptions, type ServeValues, TOKEN_VARIABLE } from "./serve_options.ts";
import { defaultServerName, parseServerName } from "./server_name.ts";
import { defaultStateDir } from "./state_dir.ts";

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
  values: ServeValues,
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
  checkHeartbeat(values);
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
      heartbeat: valuesOf(heartbeatOptions, values),
      handshakeTimeoutMs: values.handshakeTimeoutMs,
      drainTimeoutMs: values.drainTimeoutMs,
      maxMessageBytes: values.maxMessageBytes,
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

function checkHeartbeat({ pingIntervalMs, deadAfterMs }: ServeValues): void {
  if (pingIntervalMs > 0 && deadAfterMs >= 2 * pingIntervalMs) return;
  throw new UsageError("--dead-after must be at least twice --ping-interval", {
    hint: "One lost ping is no death: write --ping-interval 5s --dead-after 15s",
  });
}
