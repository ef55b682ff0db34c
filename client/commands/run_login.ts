/**
 * What `gclient login` does.
 *
 *     ask the hub without a credential ─▶ its issuer ─▶ metadata ─▶ device code or browser ─▶ tokens
 *     ask the hub with the token ─ takes it ─▶ keep them
 *                                └ refuses  ─▶ revoke them
 *
 * Whoever stands between this machine and the hub could name an issuer of its own: what the hub tells
 * counts if TLS has proved who it is, or if it is on this machine.
 *
 * @module
 */
import type { Context } from "../../shared/cli/command.ts";
import { formatHostPort } from "../../shared/cli/parse_host_port.ts";
import { UsageError } from "../../shared/cli/program.ts";
import type { ghub_v1_WhoAmIResponse as WhoAmIResponse } from "../../shared/gen/types.ts";
import { Status } from "../../shared/grpc/status.ts";
import { type LoginOffer, readOffer } from "../../shared/login/offer.ts";
import { isLoopbackHost } from "../../shared/net/loopback.ts";
import { printable } from "../../shared/text/printable.ts";
import { type Answered, ask } from "../call/ask.ts";
import { askedHub } from "../call/asked_hub.ts";
import type { HubAddress } from "../call/attempt.ts";
import { CallFailedError, errorInfoOf } from "../call/failure.ts";
import { type CallRoute, type HubAddresses, loginPlace, planHubs } from "../call/route.ts";
import { type ConnectionValues, TOKEN_ENV } from "../connect/connection_options.ts";
import { givenFlags } from "../connect/given_flags.ts";
import { browserLogin } from "../login/browser_login.ts";
import { deviceLogin } from "../login/device_login.ts";
import { credentialOf, type Login, type LoginWish, type Tokens } from "../login/login.ts";
import { LoginError } from "../login/login_error.ts";
import { LoginStore } from "../login/login_store.ts";
import { openBrowser } from "../login/open_browser.ts";
import { Provider } from "../login/provider.ts";
import { exitCodeOf } from "../print/exit_code.ts";
import { failureText } from "../print/failure_text.ts";

/** For all of it: a person has to find the browser, and perhaps a second factor. */
const LOGIN_MS = 600_000;
/** For a question to the hub. */
const ASK_TIMEOUT_MS = 10_000;

type Values = ConnectionValues & {
  readonly issuer?: string;
  readonly clientId?: string;
  readonly scopes: readonly string[];
  readonly resource?: string;
  readonly flow?: "device" | "browser";
};

/** Does it, and returns the exit code. */
export async function runLogin(context: Context): Promise<number> {
  try {
    return await login(context);
  } catch (error) {
    if (error instanceof CallFailedError) {
      await context.io.stderr.write(failureText(error.failure));
      return exitCodeOf(error.failure.error.code);
    }
    throw withHint(error);
  }
}

async function login(context: Context): Promise<number> {
  const { env, io } = context;
  const values = context.options as Values;
  const hubs = await planHubs(values, env);
  const hub = [hubs, ...hubs.otherHubs].map(({ address }) => formatHostPort(address)).join(", ");
  const store = await LoginStore.at(env, loginPlace(values, hubs));
  const unproven = [hubs, ...hubs.otherHubs].find((one) => !isProven(one));
  if (unproven !== undefined && !isNamed(values)) {
    const name = formatHostPort(unproven.address);
    throw new UsageError(`Nothing proves that ${name} is the hub: it could name a false issuer`, {
      hint: "Add --tls, or name both yourself with --issuer and --client-id",
    });
  }
  const offer = await askOffer(context, hubs);
  const wish = chooseWish(values, offer, { isProven: unproven === undefined });
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new LoginError("The login took too long", { hint: "Run it again" })),
    LOGIN_MS,
  );
  const signal = AbortSignal.any([context.signal, late.signal]);
  try {
    const provider = await Provider.discover(wish, signal);
    // A hub could send people to the issuer of another hub, and take the token for itself.
    const resource = wish.resource === undefined ? "" : ` for ${printable(wish.resource)}`;
    await io.stderr.write(`Logging in to ${hub} at ${printable(wish.issuer)}${resource}\n`);
    const tokens = await getTokens(provider, { values, context, signal });
    const made: Login = { ...wish, hub, tokens };
    const { operator } = await checkAtHub(made, { context, hubs, provider });
    {
      using _ = await store.lock({ signal });
      store.write(made);
    }
    await io.stderr.write(`Logged in to ${hub} as ${printable(operator)}${untilWhen(tokens)}\n`);
  } finally {
    clearTimeout(timer);
  }
  if (env[TOKEN_ENV]) {
    await io.stderr.write(`warning: ${TOKEN_ENV} is set, and counts before this login\n`);
  }
  return 0;
}

function untilWhen({ refresh, lifetimeMs }: Tokens): string {
  if (refresh !== undefined || lifetimeMs === undefined) return "";
  return ` for ${Math.round(lifetimeMs / 60_000)} minutes: the provider does not renew it`;
}

// ---- The hub

/** How the hub is asked; without a token, nor with a login that is there. */
function routeOf(
  { options, signal, io }: Context,
  hubs: HubAddresses,
  token?: string,
): CallRoute & { readonly deadline: number } {
  const { connectTimeoutMs, verbose } = options as Values;
  return {
    ...hubs,
    server: undefined,
    token,
    raw: false,
    waitForServerMs: 0,
    headers: [],
    deadline: Date.now() + ASK_TIMEOUT_MS,
    connectTimeoutMs,
    signal,
    trace: verbose ? io.stderr : undefined,
  };
}

/** Whether it is certain who answers there. */
function isProven({ address, tls }: HubAddress): boolean {
  return isLoopbackHost(address.host) || (tls !== undefined && !tls.skipVerify);
}

/** Whoever names both needs no word of the hub. */
function isNamed({ issuer, clientId }: Values): boolean {
  return issuer !== undefined && clientId !== undefined;
}

/** Where the hub sends its operators; `undefined` if it tells nothing. */
async function askOffer(context: Context, hubs: HubAddresses): Promise<LoginOffer | undefined> {
  const route = routeOf(context, hubs);
  const answered = await ask<WhoAmIResponse>(route, { method: "ghub.v1.Hub/WhoAmI" });
  const { error } = answered;
  if (error === undefined) return undefined;
  if (error.code !== Status.UNAUTHENTICATED) throw failed(context, route, answered);
  return readOffer(errorInfoOf(error)?.metadata);
}

/** @throws {CallFailedError} If the hub does not take the token, which then is revoked. */
async function checkAtHub(
  login: Login,
  { context, hubs, provider }: {
    readonly context: Context;
    readonly hubs: HubAddresses;
    readonly provider: Provider;
  },
): Promise<{ readonly operator: string }> {
  const route = routeOf(context, hubs, credentialOf(login));
  const answered = await ask<WhoAmIResponse>(route, { method: "ghub.v1.Hub/WhoAmI" });
  if (answered.error === undefined) return { operator: answered.answer.operator ?? "" };
  await provider.revoke(login.tokens).catch(() => {}); // The hub's error tells more.
  const { issuer, tokens: { subject } } = login;
  if (answered.error.code === Status.UNAUTHENTICATED && subject !== undefined) {
    await context.io.stderr.write(
      `The provider knows you as ${printable(subject)} (claim sub), the issuer is ` +
        `${printable(issuer)}: the hub's auth file needs an operator with a jwt that fits\n`,
    );
  }
  throw failed(context, route, answered);
}

function failed(
  { given }: Context,
  route: CallRoute,
  { method, error, connected, refused, hub, missed }: Answered<object>,
): CallFailedError {
  return new CallFailedError({
    ...askedHub(route, hub),
    title: "login",
    server: undefined,
    flags: givenFlags(given),
    missed,
    method,
    error: error!,
    connected,
    refused,
  });
}

// ---- What to ask the provider for

/**
 * @param isProven Else the offer is only compared: with a resource of its own choice, whoever made it
 *     would get a token for another hub.
 * @throws {UsageError} If it is not known whom to ask, or the hub trusts somebody else.
 */
function chooseWish(
  { issuer, clientId, scopes, resource }: Values,
  offer: LoginOffer | undefined,
  { isProven }: { readonly isProven: boolean },
): LoginWish {
  if (offer !== undefined && issuer !== undefined && !isSame(offer.issuer, issuer)) {
    throw new UsageError(`The hub trusts the issuer ${offer.issuer}, not ${issuer}`, {
      hint: "Leave out --issuer, or ask the administrator of the hub",
    });
  }
  const told = isProven ? offer : undefined;
  const from = told?.issuer ?? issuer;
  if (from === undefined) {
    throw new UsageError("The hub does not tell where to log in", {
      hint: "Name it with --issuer and --client-id, or ask the administrator of the hub",
    });
  }
  const client = clientId ?? told?.clientId;
  if (client === undefined) {
    throw new UsageError("The hub does not tell as which client to log in", {
      hint: "Name it with --client-id",
    });
  }
  return {
    issuer: from,
    clientId: client,
    scopes: scopes.length > 0 ? scopes : told?.scopes ?? [],
    resource: resource ?? told?.resource,
    token: told?.token ?? "access",
  };
}

/** People leave out the slash at the end. The provider must then say the very same as the hub. */
function isSame(a: string, b: string): boolean {
  const bare = (text: string) => (URL.parse(text)?.href ?? text).replace(/\/$/, "");
  return bare(a) === bare(b);
}

// ---- The provider

async function getTokens(
  provider: Provider,
  { values, context, signal }: {
    readonly values: Values;
    readonly context: Context;
    readonly signal: AbortSignal;
  },
): Promise<Tokens> {
  const { stderr } = context.io;
  const { flow = provider.hasDeviceCodes ? "device" : "browser" } = values;
  if (flow === "device" && !provider.hasDeviceCodes) {
    throw new LoginError(`${printable(provider.issuer)} gives no device codes`, {
      hint: "Try --flow browser",
    });
  }
  if (flow === "browser" && !provider.hasBrowserLogin) {
    throw new LoginError(`${printable(provider.issuer)} has no login for browsers`, {
      hint: "Try --flow device",
    });
  }
  if (flow === "browser") {
    return await browserLogin(provider, {
      signal,
      async show({ href }) {
        await stderr.write(`Open this address in a browser of this machine:\n\n  ${href}\n\n`);
        if (stderr.isTerminal) openBrowser(href, context.env);
      },
    });
  }
  return await deviceLogin(provider, {
    signal,
    async show({ userCode, verificationUri, verificationUriComplete }) {
      const code = printable(userCode);
      await stderr.write(
        verificationUriComplete === undefined
          ? `Open this address in a browser of any machine, and type the code ${code} there:\n\n` +
            `  ${printable(verificationUri)}\n\n`
          : `Open this address in a browser of any machine, and check that it shows the code ` +
            `${code}:\n\n  ${printable(verificationUriComplete)}\n\n` +
            `or type the code at ${printable(verificationUri)}\n`,
      );
    },
  });
}

/** Errors are shown with a hint if they have one. */
function withHint(error: unknown): unknown {
  if (!(error instanceof LoginError) || error.hint === undefined) return error;
  return new Error(`${error.message}\nhint: ${error.hint}`);
}
