/**
 * Where a login is kept: a file for each hub and context, in a folder that nobody else may change.
 *
 *     $XDG_STATE_HOME/gclient/logins/<hash of context and hubs>.json    mode 0600
 *     $XDG_STATE_HOME/gclient/logins/<the same>.lock                    who renews it
 *
 * The name of a file is made of what its token is for: the context, and each hub with its port, and
 * whether TLS leads to it. So a token never goes to another hub, nor in plain text to a hub that it was
 * got for over TLS, whatever becomes of a context meanwhile.
 *
 * @module
 */
import { delay } from "../../shared/async/delay.ts";
import type { Env } from "../../shared/cli/command.ts";
import { replaceFile } from "../../shared/files/replace_file.ts";
import { readSecretFile } from "../../shared/files/secret_file.ts";
import { findStateFolder, openStateFolder } from "../../shared/files/state_folder.ts";
import { whyUnusable } from "../../shared/files/why_unusable.ts";
import { isLogin, type Login } from "./login.ts";
import { LoginError } from "./login_error.ts";
import { loginFolder } from "./login_folder.ts";

/** Three tokens; a larger file is another one. */
const MAX_BYTES = 256 * 1024;
/** Longer than whoever holds the lock may ask the provider: for its metadata, then for the tokens. */
const LOCK_MS = 30_000;
const LOCK_LOOK_MS = 50;

/** What a login is for. */
export interface LoginPlace {
  /** Empty: no context counts. */
  readonly context: string;
  /** `https://hub.example:9090`; `http:` without TLS. */
  readonly hubs: readonly string[];
}

/** The login of one place. */
export class LoginStore {
  readonly #folder: string;
  readonly #name: string;

  private constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  /** @throws {LoginError} If there is no folder for it. */
  static async at(env: Env, { context, hubs }: LoginPlace): Promise<LoginStore> {
    const folder = loginFolder(env);
    if (folder === undefined) {
      const hint = "Set XDG_STATE_HOME or HOME";
      throw new LoginError("There is no folder where a login could be kept", { hint });
    }
    const what = new TextEncoder().encode(JSON.stringify([context, ...[...hubs].sort()]));
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", what));
    return new LoginStore(folder, hash.slice(0, 16).toHex());
  }

  get path(): string {
    return `${this.#folder}/${this.#name}.json`;
  }

  /**
   * The login as it stands there now; `undefined` if there is none.
   *
   * @throws {LoginError} If it cannot be used, or others could have changed it.
   */
  read(): Login | undefined {
    try {
      if (!findStateFolder(this.#folder)) return undefined;
      return parse(readSecretFile(this.path, MAX_BYTES));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw this.#unusable("use", error);
    }
  }

  /** @throws {LoginError} If it cannot be kept. */
  write(login: Login): void {
    try {
      openStateFolder(this.#folder);
      replaceFile(this.path, `${JSON.stringify(login, undefined, 2)}\n`);
    } catch (error) {
      throw this.#unusable("write", error);
    }
  }

  /** @throws {LoginError} If it is still there. */
  remove(): void {
    try {
      if (findStateFolder(this.#folder)) Deno.removeSync(this.path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw this.#unusable("remove", error);
    }
  }

  /**
   * Waits until no other process renews this login. The system ends a lock with its process.
   *
   * @throws {LoginError} If another one holds it for too long.
   */
  async lock({ waitMs = LOCK_MS, signal }: {
    readonly waitMs?: number;
    readonly signal?: AbortSignal | undefined;
  } = {}): Promise<Disposable> {
    let file: Deno.FsFile;
    try {
      openStateFolder(this.#folder);
      const options = { create: true, write: true, mode: 0o600 };
      file = await Deno.open(`${this.#folder}/${this.#name}.lock`, options);
    } catch (error) {
      throw this.#unusable("lock", error);
    }
    try {
      const until = Date.now() + waitMs;
      while (!await file.tryLock(true)) {
        if (Date.now() >= until) {
          throw new LoginError("Another gclient is busy with this login", {
            reason: "unreachable",
            hint: "Try again, or end the other one",
          });
        }
        await delay(LOCK_LOOK_MS, { signal });
      }
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  #unusable(what: string, error: unknown): LoginError {
    const message = `Cannot ${what} the login in ${this.path}: ${whyUnusable(error)}`;
    return new LoginError(message, { hint: "Log in again: gclient login" });
  }
}

function parse(text: string): Login {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What is wrong with it may be shown in words that hold a token.
  }
  if (!isLogin(value)) throw new Error("it is damaged");
  return value;
}
