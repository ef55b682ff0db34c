/**
 * Renews a login at its provider. Of several processes one asks: a refresh token is good once, and a
 * provider that sees it twice ends the whole login (RFC 9700 §4.14.2).
 *
 * @module
 */
import { type Login, renewAtMs } from "./login.ts";
import { LoginError } from "./login_error.ts";
import type { LoginStore } from "./login_store.ts";
import { Provider } from "./provider.ts";

/**
 * The renewed login, which is kept.
 *
 * @param seen As this process knows it: another one may have renewed it meanwhile.
 * @throws {LoginError} If it cannot be renewed.
 * @throws `signal.reason`, when that fired before the provider was asked for new tokens.
 */
export async function renewLogin(
  store: LoginStore,
  seen: Login,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Login> {
  using _ = await store.lock({ signal });
  const kept = store.read();
  if (kept === undefined) {
    throw new LoginError(`The login at ${seen.issuer} was ended by gclient logout`, {
      reason: "ended",
    });
  }
  if (Date.now() < renewAtMs(kept)) return kept;
  if (kept.tokens.refresh === undefined) {
    throw new LoginError(
      `The login at ${kept.issuer} is over, and the provider does not renew it`,
      {
        reason: "ended",
      },
    );
  }
  const provider = await Provider.discover(kept, signal);
  // No signal from here on: whoever is ended in the middle may have lost the next refresh token.
  const renewed = { ...kept, tokens: await provider.renew(kept) };
  store.write(renewed);
  return renewed;
}
