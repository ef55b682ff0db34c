/**
 * What `gclient logout` does: forgets, then has the provider forget. A provider that is gone keeps
 * nobody logged in here.
 *
 * @module
 */
import type { Context } from "../../shared/cli/command.ts";
import { formatHostPort } from "../../shared/cli/parse_host_port.ts";
import { printable } from "../../shared/text/printable.ts";
import { loginPlace, planHubs } from "../call/route.ts";
import type { ConnectionValues } from "../connect/connection_options.ts";
import type { Login } from "../login/login.ts";
import { LoginError } from "../login/login_error.ts";
import { LoginStore } from "../login/login_store.ts";
import { Exit } from "../print/exit_code.ts";

/** Does it, and returns the exit code. */
export async function runLogout({ env, io, signal, options }: Context): Promise<number> {
  const { stderr } = io;
  const values = options as ConnectionValues;
  const hubs = await planHubs(values, env);
  const hub = [hubs, ...hubs.otherHubs].map(({ address }) => formatHostPort(address)).join(", ");
  const store = await LoginStore.at(env, loginPlace(values, hubs));
  const login = await forget(store, signal);
  if (login === undefined) {
    await stderr.write(`Nobody is logged in to ${hub}\n`);
    return Exit.OK;
  }
  const issuer = printable(login.issuer);
  try {
    const { Provider } = await import("../login/provider.ts");
    const provider = await Provider.discover(login, signal);
    const isRevoked = await provider.revoke(login.tokens, signal);
    await stderr.write(
      isRevoked
        ? `Logged out of ${hub}, and ${issuer} has ended the login\n`
        : `Logged out of ${hub}; ${issuer} has no way to end a login, so it ends there by itself\n`,
    );
    return Exit.OK;
  } catch (error) {
    if (!(error instanceof LoginError)) throw error;
    await stderr.write(
      `Logged out of ${hub}, but the login goes on at ${issuer}: ${error.message}\n` +
        "hint: End it on the provider's page about your account\n",
    );
    return Exit.OUTCOME_FAILED;
  }
}

/** What was kept; also what cannot be read is gone from then on. */
async function forget(store: LoginStore, signal: AbortSignal): Promise<Login | undefined> {
  // Nobody must write a renewed one after that.
  using _ = await store.lock({ signal });
  try {
    return store.read();
  } catch (error) {
    if (!(error instanceof LoginError)) throw error;
    return undefined;
  } finally {
    store.remove();
  }
}
