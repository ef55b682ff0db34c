/**
 * Finds the login for some hubs.
 *
 * @module
 */
import type { Env } from "../../shared/cli/command.ts";
import { UsageError } from "../../shared/cli/program.ts";
import { LiveToken } from "./live_token.ts";
import { LoginError } from "./login_error.ts";
import { type LoginPlace, LoginStore } from "./login_store.ts";

/**
 * Its token; `undefined` if nobody has logged in there.
 *
 * @throws {UsageError} If what is kept cannot be used.
 */
export async function openLogin(place: LoginPlace, env: Env): Promise<LiveToken | undefined> {
  try {
    const store = await LoginStore.at(env, place);
    const login = store.read();
    return login && new LiveToken(store, login);
  } catch (error) {
    if (!(error instanceof LoginError)) throw error;
    const { message, hint } = error;
    throw new UsageError(message, { ...(hint !== undefined && { hint }), cause: error });
  }
}
