/**
 * An OpenID provider, as a public client sees it: its metadata, and the requests of a login.
 *
 * `oauth4webapi` writes the requests and checks the answers (docs/decisions/0030-login.md). Here stands
 * what is ours: bounds, the mapping to our errors, and that plain HTTP is for this machine alone.
 *
 * @module
 */
import * as oauth from "oauth4webapi";
import { boundedResponse } from "../../shared/net/bounded_response.ts";
import { isLoopbackHost } from "../../shared/net/loopback.ts";
import { printable } from "../../shared/text/printable.ts";
import { VERSION } from "../../shared/version.ts";
import type { Login, LoginWish, Tokens } from "./login.ts";
import { LoginError } from "./login_error.ts";

/** For an answer of the provider. */
const ANSWER_MS = 10_000;
/** Metadata and tokens have some KiB. */
export const MAX_PROVIDER_ANSWER_BYTES = 1024 * 1024;
/** A token that the hub would not read (`MAX_JWT_LENGTH` there), or that no header could carry. */
const MAX_TOKEN_LENGTH = 8192;
const TOKEN = /^[\x21-\x7e]+$/;

/** A device code, and what a person needs to confirm it. */
export interface DeviceCode {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly verificationUri: string;
  /** With the user code in it. */
  readonly verificationUriComplete: string | undefined;
  readonly lifetimeMs: number;
  readonly intervalMs: number;
}

/** A login in a browser that is under way. */
export interface BrowserRequest {
  /** What the browser opens. */
  readonly url: URL;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly redirectUri: string;
}

/** A provider whose metadata are known. */
export class Provider {
  readonly #server: oauth.AuthorizationServer;
  readonly #client: oauth.Client;
  readonly #wish: LoginWish;

  private constructor(server: oauth.AuthorizationServer, wish: LoginWish) {
    this.#server = server;
    this.#client = { client_id: wish.clientId };
    this.#wish = wish;
  }

  /**
   * Asks an issuer for its metadata (OpenID Connect Discovery).
   *
   * @throws {LoginError} If it gives none, or those of another issuer.
   */
  static async discover(wish: LoginWish, signal?: AbortSignal): Promise<Provider> {
    const url = issuerUrl(wish.issuer);
    return await told(wish.issuer, async () => {
      const response = await oauth.discoveryRequest(url, optionsOf(wish.issuer, signal));
      const server = await oauth.processDiscoveryResponse(url, response);
      return new Provider(server, wish);
    }, signal);
  }

  get issuer(): string {
    return this.#wish.issuer;
  }

  /** Whether it gives device codes. */
  get hasDeviceCodes(): boolean {
    return this.#server.device_authorization_endpoint !== undefined;
  }

  get hasBrowserLogin(): boolean {
    return this.#server.authorization_endpoint !== undefined;
  }

  // ---- Device code (RFC 8628)

  /** @throws {LoginError} If it gives none. */
  async requestDeviceCode(signal: AbortSignal): Promise<DeviceCode> {
    const answer = await told(this.issuer, async () => {
      const response = await oauth.deviceAuthorizationRequest(
        this.#server,
        this.#client,
        oauth.None(),
        this.#parameters(),
        this.#options(signal),
      );
      return await oauth.processDeviceAuthorizationResponse(this.#server, this.#client, response);
    });
    for (const uri of [answer.verification_uri, answer.verification_uri_complete]) {
      if (uri !== undefined) this.#checkShown(uri);
    }
    return {
      deviceCode: answer.device_code,
      userCode: answer.user_code,
      verificationUri: answer.verification_uri,
      verificationUriComplete: answer.verification_uri_complete,
      lifetimeMs: answer.expires_in * 1000,
      intervalMs: (answer.interval ?? 5) * 1000,
    };
  }

  /** @returns The tokens, or why there are none yet. @throws {LoginError} If there will be none. */
  async pollDeviceCode(
    deviceCode: string,
    signal: AbortSignal,
  ): Promise<Tokens | "pending" | "slow down"> {
    try {
      const response = await oauth.deviceCodeGrantRequest(
        this.#server,
        this.#client,
        oauth.None(),
        deviceCode,
        this.#tokenOptions(signal),
      );
      return this.#tokens(
        await oauth.processDeviceCodeResponse(this.#server, this.#client, response),
      );
    } catch (error) {
      if (error instanceof oauth.ResponseBodyError) {
        if (error.error === "authorization_pending") return "pending";
        if (error.error === "slow_down") return "slow down";
      }
      throw faultOf(this.issuer, error, signal);
    }
  }

  // ---- Browser, with PKCE (RFC 7636, RFC 8252)

  /** The address for the browser. */
  async requestBrowser(redirectUri: string): Promise<BrowserRequest> {
    const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
    const verifier = oauth.generateRandomCodeVerifier();
    const url = new URL(this.#server.authorization_endpoint!);
    this.#checkShown(url.href);
    const parameters = this.#parameters();
    // Core §11: without it a provider may leave offline_access out.
    if (parameters.get("scope")?.includes("offline_access")) parameters.set("prompt", "consent");
    for (const [name, value] of parameters) url.searchParams.set(name, value);
    for (
      const [name, value] of Object.entries({
        client_id: this.#client.client_id,
        response_type: "code",
        redirect_uri: redirectUri,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: "S256",
        state,
        nonce,
      })
    ) url.searchParams.set(name, value);
    return { url, state, nonce, verifier, redirectUri };
  }

  /**
   * The tokens for what the browser brought back.
   *
   * @throws {LoginError} If it is not the answer of this provider to this request, or a refusal.
   */
  async finishBrowser(
    { state, nonce, verifier, redirectUri }: BrowserRequest,
    answer: URLSearchParams,
    signal: AbortSignal,
  ): Promise<Tokens> {
    return await told(this.issuer, async () => {
      const parameters = oauth.validateAuthResponse(this.#server, this.#client, answer, state);
      const response = await oauth.authorizationCodeGrantRequest(
        this.#server,
        this.#client,
        oauth.None(),
        parameters,
        redirectUri,
        verifier,
        this.#tokenOptions(signal),
      );
      const result = await oauth.processAuthorizationCodeResponse(
        this.#server,
        this.#client,
        response,
        { expectedNonce: nonce, requireIdToken: true },
      );
      return this.#tokens(result);
    }, signal);
  }

  // ---- Renewal and end

  /** @throws {LoginError} If the login is over, or the provider cannot be asked. */
  async renew({ tokens: { refresh = "", subject } }: Login): Promise<Tokens> {
    const tokens = await told(this.issuer, async () => {
      const response = await oauth.refreshTokenGrantRequest(
        this.#server,
        this.#client,
        oauth.None(),
        refresh,
        this.#tokenOptions(),
      );
      return this.#tokens(
        await oauth.processRefreshTokenResponse(this.#server, this.#client, response),
      );
    });
    // Core §12.2.
    if (subject !== undefined && tokens.subject !== undefined && tokens.subject !== subject) {
      throw new LoginError(`${shown(this.issuer)} renewed the login of somebody else`);
    }
    return {
      refresh,
      ...subject !== undefined && { subject },
      ...tokens,
    };
  }

  /**
   * Has the provider forget a login (RFC 7009).
   *
   * @returns Whether it can.
   * @throws {LoginError} If it did not.
   */
  async revoke({ access, refresh }: Tokens, signal?: AbortSignal): Promise<boolean> {
    if (this.#server.revocation_endpoint === undefined) return false;
    for (const [token, hint] of [[refresh, "refresh_token"], [access, "access_token"]] as const) {
      if (token === undefined) continue;
      try {
        await told(this.issuer, async () => {
          const response = await oauth.revocationRequest(
            this.#server,
            this.#client,
            oauth.None(),
            token,
            { ...this.#options(signal), additionalParameters: { token_type_hint: hint } },
          );
          await oauth.processRevocationResponse(response);
        });
      } catch (error) {
        // With the refresh token the access token went, or nobody can take it back (RFC 7009 §2).
        if (hint === "refresh_token" || refresh === undefined) throw error;
      }
    }
    return true;
  }

  // ---- What all of them share

  #parameters(): URLSearchParams {
    const { scopes, resource } = this.#wish;
    const offered = this.#server.scopes_supported;
    const usual = offered === undefined || offered.includes("offline_access")
      ? ["openid", "offline_access"]
      : ["openid"];
    const asked = scopes.length === 0 ? usual : scopes;
    const all = asked.includes("openid") ? asked : ["openid", ...asked];
    return new URLSearchParams({
      scope: all.join(" "),
      ...(resource !== undefined && { resource }),
    });
  }

  #options(signal?: AbortSignal) {
    return optionsOf(this.issuer, signal);
  }

  #tokenOptions(signal?: AbortSignal) {
    const { resource } = this.#wish;
    return {
      ...this.#options(signal),
      additionalParameters: resource === undefined ? {} : { resource },
    };
  }

  #tokens(answer: oauth.TokenEndpointResponse): Tokens {
    const { access_token: access, id_token: id, refresh_token: refresh, expires_in } = answer;
    const credential = this.#wish.token === "id" ? id : access;
    if (credential === undefined) {
      throw new LoginError(`${shown(this.issuer)} gives no ID token, which this hub wants`);
    }
    if (!TOKEN.test(credential) || credential.length > MAX_TOKEN_LENGTH) {
      throw new LoginError(`${shown(this.issuer)} gives a token that no hub takes`);
    }
    const lifetimeMs = this.#wish.token === "access" && expires_in !== undefined
      ? expires_in * 1000
      : lifetimeOf(credential);
    const subject = oauth.getValidatedIdTokenClaims(answer)?.sub;
    return {
      access,
      ...id !== undefined && { id },
      ...refresh !== undefined && { refresh },
      gotAtMs: Date.now(),
      ...lifetimeMs !== undefined && { lifetimeMs },
      ...subject !== undefined && { subject },
    };
  }

  /** A person is sent there, and may type a password. */
  #checkShown(uri: string): void {
    if (URL.parse(uri)?.protocol === "https:" || (isLocal(this.issuer) && isLocal(uri))) return;
    throw new LoginError(`${shown(this.issuer)} names ${shown(uri)}, which is no https:// address`);
  }
}

/** Whether plain HTTP does: nobody is on the way. */
function isLocal(address: string): boolean {
  const url = URL.parse(address);
  return url?.protocol === "http:" && isLoopbackHost(url.hostname);
}

function issuerUrl(issuer: string): URL {
  const url = URL.parse(issuer);
  if (url !== null && (url.protocol === "https:" || isLocal(issuer)) && url.username === "") {
    return url;
  }
  throw new LoginError(`The issuer ${shown(issuer)} is no https:// address`);
}

function optionsOf(issuer: string, signal?: AbortSignal) {
  const limit = () => {
    const timeout = AbortSignal.timeout(ANSWER_MS);
    return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  };
  return {
    [oauth.customFetch]: fetchBounded,
    [oauth.allowInsecureRequests]: isLocal(issuer),
    headers: { "user-agent": `gclient/${VERSION}` },
    signal: limit,
  };
}

async function fetchBounded(
  url: string,
  { body, ...options }: oauth.CustomFetchOptions<string, BodyInit | null | undefined>,
): Promise<Response> {
  return await boundedResponse(
    await fetch(url, { ...options, body: body ?? null } as RequestInit),
    {
      maxBytes: MAX_PROVIDER_ANSWER_BYTES,
      tooLarge: () => new TypeError("its answer is too large"),
    },
  );
}

/** How long a JWT is good, by its own clock. */
function lifetimeOf(jwt: string): number | undefined {
  try {
    const [, payload = ""] = jwt.split(".");
    const bytes = Uint8Array.fromBase64(payload, { alphabet: "base64url" });
    const { exp, iat } = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof exp === "number" && typeof iat === "number") return Math.max(0, exp - iat) * 1000;
  } catch {
    // It is no JWT: the hub will say so.
  }
  return undefined;
}

async function told<T>(issuer: string, ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw faultOf(issuer, error, signal);
  }
}

/** What went wrong, without any part of the provider's answer that could be a token. */
function faultOf(issuer: string, error: unknown, signal?: AbortSignal): unknown {
  if (error instanceof LoginError) return error;
  if (signal?.aborted) return signal.reason;
  const at = shown(issuer);
  if (
    error instanceof oauth.ResponseBodyError || error instanceof oauth.AuthorizationResponseError
  ) {
    return refusalOf(at, error.error, error.error_description);
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError) {
    return new LoginError(`${at} does not know this client: HTTP ${error.status}`, {
      hint: "Check --client-id: it must be a public client there",
    });
  }
  if (error instanceof oauth.OperationProcessingError) {
    const what = `${at} gave an answer that cannot be used: ${printable(error.message)}`;
    if (error.code !== oauth.RESPONSE_IS_NOT_CONFORM) return new LoginError(what);
    const { status } = error.cause as Response;
    if (status < 500) return new LoginError(`${what} (HTTP ${status})`);
    return new LoginError(`Cannot reach ${at}: HTTP ${status}`, { reason: "unreachable" });
  }
  // What the library refuses to send or to read, such as an endpoint in plain HTTP.
  if (error instanceof oauth.UnsupportedOperationError) {
    return new LoginError(`${at} cannot be used: ${printable(error.message)}`);
  }
  const isLate = error instanceof DOMException && error.name === "TimeoutError";
  const why = isLate
    ? `no answer within ${ANSWER_MS / 1000} s`
    : error instanceof Error
    ? printable(error.message)
    : "";
  return new LoginError(`Cannot reach ${at}: ${why}`, { reason: "unreachable" });
}

/** Words of RFC 6749 §5.2 and RFC 8628 §3.5. */
function refusalOf(at: string, code: string, description: string | undefined): LoginError {
  if (code === "access_denied") return new LoginError(`The login at ${at} was denied`);
  if (code === "expired_token") {
    return new LoginError("The code was not confirmed in time", { hint: "Run it again" });
  }
  if (code === "invalid_grant") {
    return new LoginError(`The login at ${at} has ended`, { reason: "ended" });
  }
  const more = description === undefined ? "" : `: ${printable(description).slice(0, 200)}`;
  return new LoginError(`${at} refuses: ${printable(code).slice(0, 100)}${more}`);
}

function shown(text: string): string {
  return printable(text).slice(0, 300);
}
