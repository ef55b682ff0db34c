/**
 * The token of a login for as long as a command runs: renewed when its end is near, once for all calls
 * and all processes.
 *
 * @module
 */
import { credentialOf, endAtMs, type Login, renewAtMs } from "./login.ts";
import { LoginError } from "./login_error.ts";
import type { LoginStore } from "./login_store.ts";

/** A provider that could not renew it is left alone for this long. */
const RETRY_MS = 5_000;

/** The token of one login. */
export class LiveToken {
  readonly #store: LoginStore;
  #login: Login;
  #renewing: Promise<string> | undefined;
  #failed: { readonly error: LoginError; readonly untilMs: number } | undefined;

  constructor(store: LoginStore, login: Login) {
    this.#store = store;
    this.#login = login;
  }

  /** The last one, good or not. */
  get last(): string {
    return credentialOf(this.#login);
  }

  /**
   * One that is good for a call that begins now.
   *
   * @param signal The same for all calls of a process.
   * @throws {LoginError} If it is over and cannot be renewed.
   * @throws `signal.reason`, when that fired before the provider was asked for new tokens.
   */
  async fresh(signal?: AbortSignal): Promise<string> {
    if (Date.now() < renewAtMs(this.#login)) return this.last;
    return await (this.#renewing ??= this.#renew(signal).finally(() => this.#renewing = undefined));
  }

  async #renew(signal: AbortSignal | undefined): Promise<string> {
    const { error, untilMs = 0 } = this.#failed ?? {};
    if (error !== undefined && Date.now() < untilMs) return this.#lastOr(error);
    try {
      // The library for it is loaded by those who need it.
      const { renewLogin } = await import("./renew_login.ts");
      this.#login = await renewLogin(this.#store, this.#login, { signal });
      this.#failed = undefined;
      return this.last;
    } catch (error) {
      if (!(error instanceof LoginError)) throw error;
      this.#failed = { error, untilMs: Date.now() + RETRY_MS };
      return this.#lastOr(error);
    }
  }

  /** It is renewed before its end: for a while the old one still does. */
  #lastOr(error: LoginError): string {
    if (Date.now() >= endAtMs(this.#login)) throw error;
    return this.last;
  }
}
