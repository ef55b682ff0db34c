/**
 * A login: the tokens that a provider gave for one hub, and what is needed to renew them.
 *
 * @module
 */
import { LOGIN_TOKENS, type LoginOffer } from "../../shared/login/offer.ts";

/** What a provider gave. */
export interface Tokens {
  readonly access: string;
  readonly id?: string;
  /** Absent: the provider does not renew the login. */
  readonly refresh?: string;
  /** `Date.now()` at which they came. */
  readonly gotAtMs: number;
  /** How long the token that the hub takes is good from then on; absent: nobody knows. */
  readonly lifetimeMs?: number;
  /** Who logged in, in the provider's words. */
  readonly subject?: string;
}

/** What a login asks for. */
export type LoginWish = LoginOffer & { readonly clientId: string };

/** A login as it is kept. */
export interface Login extends LoginWish {
  /** For whoever looks into the file: where the token goes. */
  readonly hub: string;
  readonly tokens: Tokens;
}

/** A token is renewed when it has less left: a call that begins now must get through. */
const NEAR_END_MS = 60_000;

/** The token that the hub takes. */
export function credentialOf({ token, tokens }: Pick<Login, "token" | "tokens">): string {
  return token === "id" ? tokens.id ?? "" : tokens.access;
}

/** `Date.now()` from which a login is to be renewed; of a short one, when half of it is over. */
export function renewAtMs({ tokens: { gotAtMs, lifetimeMs = Infinity } }: Login): number {
  return gotAtMs + lifetimeMs - Math.min(NEAR_END_MS, lifetimeMs / 2);
}

/** `Date.now()` from which its token is no longer good. */
export function endAtMs({ tokens: { gotAtMs, lifetimeMs = Infinity } }: Login): number {
  return gotAtMs + lifetimeMs;
}

const TEXTS = ["hub", "issuer", "clientId"] as const;

/** Whether what a file holds is a login. */
export function isLogin(value: unknown): value is Login {
  if (typeof value !== "object" || value === null) return false;
  const login = value as Partial<Record<keyof Login, unknown>>;
  const tokens = login.tokens as Partial<Record<keyof Tokens, unknown>> | undefined;
  return TEXTS.every((key) => typeof login[key] === "string") && Array.isArray(login.scopes) &&
    (LOGIN_TOKENS as readonly unknown[]).includes(login.token) &&
    typeof tokens?.access === "string" && typeof tokens.gotAtMs === "number";
}
