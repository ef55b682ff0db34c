/**
 * The table of `gserver serve`'s options.
 *
 * @module
 */
import { logOptions } from "../../shared/cli/log_options.ts";
import type { Options, OptionValues } from "../../shared/cli/option.ts";
import { count } from "../../shared/cli/parse_count.ts";
import { DURATION } from "../../shared/cli/parse_duration.ts";
import { SIZE } from "../../shared/cli/parse_size.ts";
import { hasPassword } from "../../shared/net/proxy.ts";
import { USUAL_ADDRESS } from "../../shared/registration/usual_address.ts";
import { shellWord } from "../../shared/text/shell_word.ts";
import { DIAL_TIMEOUT_MS } from "../dial/dial.ts";
import { parsePinFlag } from "../dial/tls_pins.ts";
import { FLUENTD } from "../fluentd/mod.ts";
import { HEARTBEAT } from "../server.ts";
import { MAX_MESSAGE_BYTES } from "../serving/grpc_server.ts";
import { DRAIN_TIMEOUT_MS } from "../tunnel/agent.ts";
import { parseExpose, parseUpstreamOption } from "../upstream/upstream.ts";
import { parseCommand } from "./command_line.ts";
import { MAX_HUB_URIS, parseHubUris } from "./hub_uri.ts";
import { parseLabelsFlag } from "./labels.ts";

const HUB = "Hub";
const TLS = "TLS towards the hub";
const UPSTREAMS = "Upstreams";
const FLUENTD_GROUP = "Fluentd";
const LIMITS = "Limits";

/** Where the token is when no file is given: not a flag, which all users of the machine could read. */
export const TOKEN_VARIABLE = "GSERVER_TOKEN";

/** How tunnels are kept alive, as `HeartbeatNumbers`. */
export const heartbeatOptions = {
  pingIntervalMs: {
    flag: "--ping-interval",
    ...DURATION,
    default: HEARTBEAT.pingIntervalMs,
    help: "How often to ping the hub; a number from the hub takes precedence",
    group: LIMITS,
  },
  deadAfterMs: {
    flag: "--dead-after",
    ...DURATION,
    default: HEARTBEAT.deadAfterMs,
    help: "Silence of this length ends a tunnel; a number from the hub takes precedence",
    group: LIMITS,
  },
} as const satisfies Options;

/** The options of `gserver serve`. */
export const options = {
  hubUri: {
    flag: "--hub-uri",
    value: "URI",
    many: true,
    parse: parseHubUris,
    default: [parseHubUris(`wss://localhost:${USUAL_ADDRESS.tunnelPort}`)],
    help:
      "The hub's tunnel port: wss://, ws://, https:// or http://; the path is /ws if none is given. " +
      "Repeat it, or use a name with several addresses, for more hubs",
    group: HUB,
  },
  maxHubs: {
    flag: "--max-hubs",
    ...count({ from: 1, to: MAX_HUB_URIS }),
    value: "N",
    help:
      "How many tunnels it keeps, each to another one of these hubs. With a single URI, it dials " +
      "that one again, because a balancer may lead to another hub",
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
    default: FLUENTD.manager,
    help:
      "What keeps Fluentd running: auto is systemd if it has the unit, else spawn; none: no control",
    group: FLUENTD_GROUP,
  },
  fluentdCommand: {
    flag: "--fluentd-command",
    value: "COMMAND",
    parse: parseCommand,
    show: (words: readonly string[]) => words.map(shellWord).join(" "),
    default: FLUENTD.command,
    help: "What the spawn manager runs, in the foreground: no -d",
    group: FLUENTD_GROUP,
  },
  fluentdConfig: {
    flag: "--fluentd-config",
    value: "FILE",
    help: "Fluentd's configuration file",
    complete: "file",
    group: FLUENTD_GROUP,
  },
  fluentdUnit: {
    flag: "--fluentd-unit",
    value: "UNIT",
    default: FLUENTD.unit,
    help: "The unit that the systemd manager controls",
    group: FLUENTD_GROUP,
  },
  fluentdLog: {
    flag: "--fluentd-log",
    value: "FILE",
    help: "Fluentd's log file, if it is not in its arguments or its unit",
    complete: "file",
    group: FLUENTD_GROUP,
  },
  fluentdMonitor: {
    flag: "--fluentd-monitor",
    value: "HOST:PORT",
    help: "Fluentd's monitor_agent; without it buffers are unknown",
    group: FLUENTD_GROUP,
  },
  policyFile: {
    flag: "--policy-file",
    value: "FILE",
    help: "What operators may call here, whatever the hub lets them; read again when it changes",
    complete: "file",
  },
  stateDir: {
    flag: "--state-dir",
    value: "FOLDER",
    defaultText: "$STATE_DIRECTORY, for root /var/lib/gserver, else $XDG_STATE_HOME/gserver",
    help: "The folder for state",
    complete: "directory",
  },
  ...heartbeatOptions,
  handshakeTimeoutMs: {
    flag: "--handshake-timeout",
    ...DURATION,
    default: DIAL_TIMEOUT_MS,
    help: "How long dialling may take, from DNS to the hub's answer",
    group: LIMITS,
  },
  drainTimeoutMs: {
    flag: "--drain-timeout",
    ...DURATION,
    default: DRAIN_TIMEOUT_MS,
    help: "How long calls in flight may take to end after SIGTERM; a second signal exits at once",
    group: LIMITS,
  },
  maxMessageBytes: {
    flag: "--max-message",
    ...SIZE,
    default: MAX_MESSAGE_BYTES,
    help: "The largest message that this server's own services accept",
    group: LIMITS,
  },
  ...logOptions,
} as const satisfies Options;

export type ServeValues = OptionValues<typeof options>;
