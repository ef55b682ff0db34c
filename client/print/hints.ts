/**
 * What to do about a failure: the first row that fits.
 *
 * @module
 */
import { statusName } from "../../shared/grpc/status.ts";
import { HttpAnswerError } from "../../shared/grpc_client/failures.ts";
import { readOffer } from "../../shared/login/offer.ts";
import { ProxyError } from "../../shared/net/proxy_error.ts";
import { deliveryOf, hopOf } from "../call/delivery.ts";
import { type CallFailure, errorInfoOf } from "../call/failure.ts";
import { mayChange } from "../call/method_kind.ts";
import { LoginError } from "../login/login_error.ts";

interface Rule {
  readonly when: (failure: CallFailure) => boolean;
  readonly hint: (failure: CallFailure) => string | undefined;
}

/** No later rule may have a hint either. */
const NOTHING = "";

const code = (name: string) => ({ error }: CallFailure) => statusName(error.code) === name;
const reason = (name: string) => ({ error }: CallFailure) => errorInfoOf(error)?.reason === name;
/** Not connected, and the text of the system or of TLS says why. */
const unconnected = (text: RegExp) => (failure: CallFailure) =>
  hopOf(failure.error, failure) === "client → hub" && text.test(failure.error.message);

/** How the hub begins the reason of a tunnel that it ended because its credential is good no more. */
const SHUT_OUT = /^The hub no longer lets /;

/** How servers say that they have no reflection: those who do not know the word for it, too. */
const NO_REFLECTION: ReadonlySet<string> = new Set(["UNIMPLEMENTED", "UNKNOWN", "INTERNAL"]);

const RULES: readonly Rule[] = [
  {
    // Nothing went wrong: what is to be done is known, or nothing is.
    when: (failure) => failure.interrupted === true,
    hint: (failure) => outcomeHint(failure) ?? NOTHING,
  },
  {
    when: ({ error }) => error.cause instanceof ProxyError,
    hint: ({ error }) => (error.cause as ProxyError).hint ?? NOTHING,
  },
  {
    when: ({ error }) => error instanceof HttpAnswerError,
    hint: (failure) => proxyHint(failure, failure.error as HttpAnswerError),
  },
  {
    when: ({ error }) => error.cause instanceof LoginError,
    hint: ({ error: { cause }, flags = "" }) => {
      const { reason, hint } = cause as LoginError;
      return reason === "ended" ? `Log in again: gclient login${flags}` : hint ?? NOTHING;
    },
  },
  {
    when: unconnected(/ECONNREFUSED|refused/i),
    hint: ({ address }) => `Is ghub running at ${address}? Another one is named with -s HOST:PORT`,
  },
  {
    when: unconnected(/name resolution|lookup address|ENOTFOUND|getaddrinfo/i),
    hint: ({ address }) => `Is the name in -s ${address} right?`,
  },
  {
    when: unconnected(/certificate is for|NotValidForName|not valid for|altnames|hostname/i),
    hint: () => "--tls-server-name gives the name that the certificate has",
  },
  {
    // Deno has these words for three faults.
    when: unconnected(/unable to verify the first certificate/i),
    hint: () =>
      "The certificate has expired, is not valid yet, or is of an unknown authority: check its dates " +
      "and both clocks, or name its authority with --tls-ca-cert-file",
  },
  {
    when: unconnected(/certificate|UnknownIssuer|self.signed|unable to verify/i),
    hint: () => "--tls-ca-cert-file names the certificate to trust",
  },
  {
    when: (failure) => unconnected(/^/)(failure) && code("DEADLINE_EXCEEDED")(failure),
    hint: () => "--timeout gives it more time",
  },
  {
    when: unconnected(/no answer within/i),
    hint: ({ address }) =>
      `Does a firewall drop connections to ${address}? --connect-timeout waits longer`,
  },
  {
    when: unconnected(/NoApplicationProtocol/i),
    hint: ({ address }) => `${address} speaks TLS, but not gRPC: is it the hub's tunnel port?`,
  },
  {
    // Never to leave out TLS: a token would go in plain text.
    when: (failure) => unconnected(/^/)(failure) && failure.secure,
    hint: ({ address }) =>
      `Is ${address} the hub's call port, and does it speak TLS (ghub --call-tls)?`,
  },
  {
    when: unconnected(/^/),
    hint: ({ address }) => `Is ${address} the hub's call port? If it wants TLS, add --tls`,
  },
  {
    when: ({ refused = false }) => refused,
    hint: () => "--retry 5 tries until it is back",
  },
  {
    when: reason("SERVER_NOT_FOUND"),
    hint: ({ error, flags = "" }) => {
      const nearest = errorInfoOf(error)?.metadata?.["nearest"];
      return nearest
        ? `Did you mean ${nearest.split(",").join(" or ")}?`
        : `All servers: "gclient hub servers --all${flags}"`;
    },
  },
  {
    when: reason("SERVER_NOT_NAMED"),
    hint: ({ error, title, flags = "" }) => {
      const listed = (key: string) =>
        (errorInfoOf(error)?.metadata?.[key] ?? "").split(",").filter((name) => name !== "");
      const [names, away] = [listed("servers"), listed("away")];
      const name = names.find((one) => !away.includes(one)) ?? names[0];
      if (name === undefined) {
        return "Start a server that dials this hub: gserver serve NAME --hub-uri wss://HUB/ws";
      }
      const words = title.includes("/") ? `call ${title}` : title.replace(".", " ");
      return `Name the server: gclient ${words} ${name}${flags}`;
    },
  },
  {
    // The hub ended the tunnel itself: the server does not come back by waiting for it.
    when: (failure) =>
      reason("SERVER_OFFLINE")(failure) &&
      SHUT_OUT.test(errorInfoOf(failure.error)?.metadata?.["reason"] ?? ""),
    hint: ({ server = "NAME" }) =>
      `Give it a credential that the hub accepts, such as a token by "ghub enroll ${server}" there`,
  },
  {
    when: reason("SERVER_OFFLINE"),
    hint: () => "--wait-for-server 1m waits until it is back",
  },
  {
    when: reason("FORBIDDEN_BY_SERVER"),
    hint: () => "The policy file on that server decides it, not the hub: ask who runs the server",
  },
  {
    when: ({ error }) => errorInfoOf(error)?.domain === "ghub.server",
    hint: () => "It is between that server and the hub, not your token: the server's log says more",
  },
  {
    when: (failure) =>
      readOffer(errorInfoOf(failure.error)?.metadata) !== undefined &&
      (!failure.hasToken || reason("CREDENTIAL_EXPIRED")(failure)),
    hint: ({ flags = "" }) => `Log in: gclient login${flags}`,
  },
  {
    when: ({ error, ...failure }) =>
      code("UNAUTHENTICATED")({ error, ...failure }) && !failure.hasToken,
    hint: () =>
      "--token-file FILE or GCLIENT_TOKEN gives your token, --tls-cert-file your certificate: " +
      "the administrator of the hub knows which of them it accepts",
  },
  {
    when: reason("CREDENTIAL_EXPIRED"),
    hint: () => "Get a new token or certificate from the administrator of the hub",
  },
  {
    when: (failure) =>
      reason("CREDENTIAL_NOT_FOR_THIS")(failure) || reason("TOKEN_NOT_FOR_THIS")(failure),
    hint: () =>
      "Give an operator's token: operator.token in the hub's state folder, or one of its auth file",
  },
  {
    when: code("UNAUTHENTICATED"),
    hint: () => "Check that the token is one of this hub, is for callers, and has not expired",
  },
  {
    when: (failure) => outcomeHint(failure) !== undefined,
    hint: outcomeHint,
  },
  {
    when: code("DEADLINE_EXCEEDED"),
    hint: () => "--timeout gives it more time",
  },
  {
    when: (failure) =>
      failure.title === "reflection" && NO_REFLECTION.has(statusName(failure.error.code)) &&
      hopOf(failure.error, failure) !== "hub",
    hint: () =>
      "Describe its services with --proto FILE or --protoset FILE: there is no reflection there; " +
      "gclient fluentd and gclient hub need none",
  },
  {
    when: (failure) => code("UNIMPLEMENTED")(failure) && hopOf(failure.error, failure) === "server",
    hint: ({ server = "SERVER", flags = "" }) =>
      `See what it offers: gclient list ${server}${flags}`,
  },
  {
    when: code("UNIMPLEMENTED"),
    hint: ({ address }) => `Is ${address} a hub, and the server new enough for this call?`,
  },
];

/** What to change at a proxy that answered in the hub's place. */
function proxyHint({ address }: CallFailure, { httpStatus, location }: HttpAnswerError): string {
  if (location !== "") {
    return `Name the place that it leads to with -s, or have ${address} pass gRPC on`;
  }
  const hint = PROXY_HINTS[httpStatus];
  return hint ?? `Is ${address} the hub's call port, or a proxy that passes gRPC on to it?`;
}

const PROXY_HINTS: Readonly<Record<number, string>> = {
  401: "Have the proxy before the hub let gRPC calls through without a login of its own",
  403: "Check the rules of the proxy before the hub: it refuses the call",
  404: "Have the proxy pass all paths on to the hub's call port (nginx: location / with grpc_pass)",
  413: "Have the proxy take larger requests (nginx: client_max_body_size 0)",
  429: "The proxy limits calls: try again later, or raise its limit",
  502:
    "The proxy does not reach the hub: check that ghub runs, and that it is passed gRPC (nginx: grpc_pass)",
  503:
    "The proxy has no hub to pass the call to: check that ghub runs, and the proxy's health checks",
  504: "The proxy waited too long for the hub: raise its timeout (nginx: grpc_read_timeout)",
};

/** Which command tells what became of a change whose outcome is unknown. */
function outcomeHint(failure: CallFailure): string | undefined {
  const { error, server, method, flags = "" } = failure;
  const isFluentd = method.parent?.fullName === ".fluentd.v1.Fluentd";
  if (deliveryOf(error, failure) !== "unknown" || !isFluentd || !mayChange(method)) {
    return undefined;
  }
  const words = server === undefined ? "" : ` ${server}`;
  return `See what is true now: gclient fluentd status${words}${flags}`;
}

/** What to do, as a line; `undefined` when nothing better than the error is known. */
export function hintOf(failure: CallFailure): string | undefined {
  for (const { when, hint } of RULES) {
    const text = when(failure) ? hint(failure) : undefined;
    if (text === NOTHING) return undefined;
    if (text !== undefined) return text;
  }
  return undefined;
}
