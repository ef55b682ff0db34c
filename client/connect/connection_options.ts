/**
 * The flags that say how to reach the hub, as far as every command has them.
 *
 * @module
 */
import { count } from "../../shared/cli/parse_count.ts";
import { DURATION, parseDuration } from "../../shared/cli/parse_duration.ts";
import { formatHostPort, type HostPort, parseHostPort } from "../../shared/cli/parse_host_port.ts";
import { type Options, type OptionValues, UsageError } from "../../shared/cli/program.ts";
import type { Env } from "../../shared/cli/command.ts";
import { mayHaveLogins } from "../login/login_folder.ts";
import { contextNames } from "./contexts.ts";
import { parseHeader } from "./headers.ts";
import { USUAL_ADDRESS } from "../../shared/registration/usual_address.ts";

const group = "Connection";

/** The variable that holds the operator token itself. */
export const TOKEN_ENV = "GCLIENT_TOKEN";

/** More hubs are not asked. */
export const MAX_CALLED_HUBS = 16;

export const connectionOptions = {
  context: {
    flag: "--context",
    value: "NAME",
    help:
      "Takes options that you do not give from this context of the config file (gclient config)",
    complete: contextNames,
    group,
  },
  serverAddr: {
    flag: "--server-addr",
    short: "-s",
    value: "HOST:PORT",
    many: true,
    parse: parseServerAddrs,
    show: (hubs: readonly HostPort[]) => hubs.map(formatHostPort).join(","),
    default: [[{ host: "localhost", port: USUAL_ADDRESS.callPort }]],
    help: "The hub's call port. Give several hubs with commas: gclient asks the next one if one " +
      "does not take the call",
    envFallbacks: ["SERVER_ADDR"],
    group,
  },
  tls: { flag: "--tls", help: "Connects with TLS; the other --tls options imply it", group },
  tlsServerName: {
    flag: "--tls-server-name",
    value: "NAME",
    help: "The name that the hub's certificate must have, when it is not the one in -s",
    group,
  },
  tlsInsecureSkipVerify: {
    flag: "--tls-insecure-skip-verify",
    help: "Accepts any certificate: whoever is on the way can read and change everything",
    group,
  },
  tlsCaCertFile: {
    flag: "--tls-ca-cert-file",
    value: "FILE",
    help: "Trusts these certificates (PEM) in place of the system's",
    complete: "file",
    group,
  },
  tlsCertFile: {
    flag: "--tls-cert-file",
    value: "FILE",
    help: "Shows this client certificate (PEM)",
    complete: "file",
    group,
  },
  tlsKeyFile: {
    flag: "--tls-key-file",
    value: "FILE",
    help: "The certificate's private key; without this, x.key next to x.crt",
    complete: "file",
    group,
  },
  proxy: {
    flag: "--proxy",
    value: "URL|direct",
    help:
      "Reaches the hub through this proxy: http://, https://, socks5:// or socks5h://; direct " +
      "uses none. By default HTTPS_PROXY (with --tls), HTTP_PROXY, ALL_PROXY and NO_PROXY " +
      "decide, and this machine itself is always reached directly",
    group,
  },
  tokenFile: {
    flag: "--token-file",
    value: "FILE",
    help:
      "A file with the operator token, readable by you alone; GCLIENT_TOKEN can hold the token itself",
    yieldsTo: TOKEN_ENV,
    complete: "file",
    group,
  },
  tokenCommand: {
    flag: "--token-command",
    value: "WORD",
    many: true,
    help:
      "The words of a command that prints the operator token, such as [pass, show, hub] in a context",
    yieldsTo: TOKEN_ENV,
    group,
  },
  timeoutMs: {
    flag: "--timeout",
    ...DURATION,
    parse: parseTimeout,
    help: "Time for the whole call, connecting included, sent along as its deadline; 0 for none",
    group,
  },
  connectTimeoutMs: {
    flag: "--connect-timeout",
    ...DURATION,
    default: 5_000,
    help: "Time for connecting alone",
    group,
  },
  retries: {
    flag: "--retry",
    ...count({ from: 0, to: 100 }),
    value: "N",
    default: 0,
    help:
      "Tries up to N more times where nothing can happen twice: the call was not delivered, changes " +
      "nothing, or carries a request id (given to each fluentd start, stop and restart with --retry)",
    group,
  },
  headers: {
    flag: "--header",
    short: "-H",
    value: "KEY=VALUE|@FILE",
    many: true,
    parse: parseHeader,
    help:
      "Sends this metadata too: KEY=VALUE, with ${NAME} from the environment, or @FILE with one a " +
      "line; the value of a KEY-bin is base64",
    group,
  },
  verbose: {
    flag: "--verbose",
    short: "-v",
    help: "Shows on stderr what is sent and received, without tokens and other secrets",
    group,
  },
} as const satisfies Options;

/** Only a command that prints the token is ever started, and only a renewed login is written. */
export function connectionNeeds(
  { tokenFile, tokenCommand = [] }: Partial<ConnectionValues>,
  env: Env,
): ("run" | "write")[] {
  if (tokenFile !== undefined || env[TOKEN_ENV]) return [];
  if (tokenCommand.length > 0) return ["run"];
  return mayHaveLogins(env) ? ["write"] : [];
}

export type ConnectionValues = OptionValues<typeof connectionOptions>;

function parseServerAddrs(text: string): readonly HostPort[] {
  return text.split(",").map((one) => {
    const { host, port } = parseHostPort(one.trim(), { usualPort: USUAL_ADDRESS.callPort });
    if (port === 0) {
      throw new UsageError(`"${one}" has no port that could be dialled`, {
        hint: "Write a port from 1 to 65535",
      });
    }
    return { host: host === "" ? "localhost" : host, port };
  });
}

/** 0 means: no limit. */
function parseTimeout(text: string): number {
  return parseDuration(text) || Infinity;
}
