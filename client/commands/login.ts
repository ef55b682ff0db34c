/**
 * `gclient login` and `gclient logout`: tokens of an OpenID provider in the place of a token file.
 *
 * What they do is in `run_login.ts` and `run_logout.ts`, which only they load.
 *
 * @module
 */
import type { Command } from "../../shared/cli/command.ts";
import { connectionOptions } from "../connect/connection_options.ts";

/**
 * A token is what these commands get, so they are given none. A time limit for calls, which a context
 * may have, is not for a person who looks for the second factor.
 */
const {
  tokenFile: _tokenFile,
  tokenCommand: _tokenCommand,
  timeoutMs: _timeoutMs,
  retries: _retries,
  headers: _headers,
  ...ways
} = connectionOptions;

const group = "Login";

const EXIT_CODES = `Exit codes:
  0       done, also when there was nothing to do
  1       the provider refuses, or cannot be reached; the login was denied, or not confirmed in time
  2       wrong usage, such as an issuer that the hub does not trust
  3       logout: forgotten here, but the provider was not told
  65-80   the hub failed: 64 + gRPC status code; 80 UNAUTHENTICATED if it does not take the token
  130/143 ended by SIGINT / SIGTERM`;

export const loginCommand: Command = {
  name: "login",
  summary: "Logs in at the OpenID provider that the hub trusts",
  description:
    "Logs in at the OpenID provider that the hub trusts, and keeps the tokens for this " +
    "hub and context, readable by you alone. By device code: it shows an address and a code, and " +
    "you open the address in a browser of any machine. --flow browser uses one of this machine. " +
    "From then on gclient sends the token with each call, and renews it in time. A --token-file, " +
    "GCLIENT_TOKEN or --token-command counts before it. You have 10 minutes.",
  examples: [
    "gclient login -s hub.example:9090 --tls",
    "gclient login --context prod --flow browser",
    "gclient login -s hub.example:9090 --tls --issuer https://id.example --client-id gclient",
  ],
  notes: EXIT_CODES,
  options: {
    issuer: {
      flag: "--issuer",
      value: "URL",
      help:
        "The provider to log in at. Without this flag, gclient takes the one that the hub tells; " +
        "it is an error if the two differ",
      group,
    },
    clientId: {
      flag: "--client-id",
      value: "ID",
      help: "The name of the public client at the provider, in place of the one that the hub tells",
      group,
    },
    scopes: {
      flag: "--scope",
      value: "SCOPE",
      many: true,
      help:
        "The scopes to ask for, in place of those that the hub tells or openid and offline_access",
      group,
    },
    resource: {
      flag: "--resource",
      value: "URI",
      help: "The resource to ask for (RFC 8707), in place of the one that the hub tells",
      group,
    },
    flow: {
      flag: "--flow",
      value: "FLOW",
      choices: ["device", "browser"],
      defaultText: "device, if the provider has it",
      help: "By device code, or by a browser of this machine",
      group,
    },
    ...ways,
  },
  // A browser is started where there is a person to use it.
  needs: ({ flow }) => flow === "device" ? ["write"] : ["write", "run"],
  run: async (context) => (await import("./run_login.ts")).runLogin(context),
};

export const logoutCommand: Command = {
  name: "logout",
  summary: "Forgets the login at a hub, and has the provider end it",
  description:
    "Forgets the tokens of gclient login for this hub and context, and has the provider " +
    "revoke them, if it can.",
  examples: ["gclient logout -s hub.example:9090 --tls", "gclient logout --context prod"],
  notes: EXIT_CODES,
  options: ways,
  needs: () => ["write"],
  run: async (context) => (await import("./run_logout.ts")).runLogout(context),
};
