/**
 * The auth file as it stands on disk now. It is looked at every second, and as a whole: by the
 * content of the file and of the key files that it names, since tools that replace files keep
 * no promise about their times.
 *
 *     unchanged ─▶ –        changed, good ─▶ in force at once        changed, broken ─▶ an error in
 *                                                                     the log, the old one stays
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { createHash } from "node:crypto";
import { dirname, resolve } from "node:path";
import type { RpcError } from "../../shared/grpc/rpc_error.ts";
import type { Answer, Auth, CallRequest, Identity, Operator, TunnelRequest } from "../auth.ts";
import type { Refusal } from "../refusal.ts";
import { type AuthFile, MAX_FILE_BYTES, parseAuthFile } from "./auth_file.ts";
import { FileAuth } from "./file_auth.ts";
import type { Grant } from "./rules.ts";

/** How often the file is looked at. */
export const POLL_MS = 1_000;
/** A file that stays broken is complained of this often. */
const COMPLAIN_MS = 60_000;

/** An auth file that was read, and what its content was. */
export interface LoadedAuthFile {
  readonly file: AuthFile;
  readonly auth: FileAuth;
  /** Changes with the content of the file or of a key file. */
  readonly fingerprint: string;
}

/**
 * Reads an auth file and the key files that it names.
 *
 * @throws {Error} That says what is wrong, and where.
 */
export function loadAuthFile(path: string): LoadedAuthFile {
  const text = readAuthFile(path);
  const file = parseAuthFile(path, text);
  const fingerprint = fingerprintOf(path, text, file);
  return { file, auth: new FileAuth(path, file), fingerprint };
}

/** See the module's head. */
export class WatchedAuth implements Auth {
  readonly #path: string;
  #loaded: LoadedAuthFile;
  readonly #listeners = new Set<() => void>();
  readonly #timer: ReturnType<typeof setInterval>;
  #complaint = "";
  #complainedMs = 0;

  /** @throws {Error} If the file cannot be used. */
  constructor(path: string, { pollMs = POLL_MS } = {}) {
    this.#path = path;
    this.#loaded = loadAuthFile(path);
    this.#timer = setInterval(() => this.#look(), pollMs);
  }

  authorizeTunnel(request: TunnelRequest): Answer<Identity | Refusal> {
    return this.#ask((auth) => auth.authorizeTunnel(request));
  }

  authorizeCall(request: CallRequest): Answer<Operator | RpcError> {
    return this.#ask((auth) => auth.authorizeCall(request));
  }

  grantOf(operator: string): Grant {
    return this.#loaded.auth.grantOf(operator);
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** An answer that took its time may be that of a file which is no longer in force. */
  #ask<T>(question: (auth: FileAuth) => Answer<T>): Answer<T> {
    const { auth } = this.#loaded;
    const answer = question(auth);
    if (!(answer instanceof Promise)) return answer;
    return answer.then((value) => this.#loaded.auth === auth ? value : this.#ask(question));
  }

  #look(): void {
    const log = getLogger(["hub", "auth"]);
    try {
      const text = readAuthFile(this.#path);
      if (fingerprintOf(this.#path, text, this.#loaded.file) === this.#loaded.fingerprint) {
        this.#complaint = "";
        return;
      }
      this.#loaded = loadAuthFile(this.#path);
      this.#complaint = "";
    } catch (error) {
      return this.#complain((error as Error).message);
    }
    const { servers, operators } = this.#loaded.file;
    log.info("{path} has changed and is in force: {servers} servers, {operators} operators", {
      path: this.#path,
      servers: servers.length,
      operators: operators.length,
    });
    for (const listener of this.#listeners) listener();
  }

  #complain(message: string): void {
    const now = performance.now();
    if (message === this.#complaint && now - this.#complainedMs < COMPLAIN_MS) return;
    this.#complaint = message;
    this.#complainedMs = now;
    getLogger(["hub", "auth"]).error(
      "The auth file has changed but is NOT in force, the one before it still is. {message}",
      { message },
    );
  }
}

function readAuthFile(path: string): string {
  try {
    const { size, mode } = Deno.statSync(path);
    if (size > MAX_FILE_BYTES) throw new Error(`it has more than ${MAX_FILE_BYTES} bytes`);
    if (mode !== null && (mode & 0o022) !== 0) {
      throw new Error(`others may change it; run: chmod go-w ${path}`);
    }
    return Deno.readTextFileSync(path);
  } catch (cause) {
    throw new Error(`Cannot read auth file ${path}: ${(cause as Error).message}`, { cause });
  }
}

function fingerprintOf(path: string, text: string, { issuers }: AuthFile): string {
  const hash = createHash("sha256").update(text);
  for (const { keysFile } of issuers) {
    if (keysFile === undefined) continue;
    try {
      hash.update("\0").update(Deno.readFileSync(resolve(dirname(path), keysFile)));
    } catch {
      // Differs from every content: the load that follows says what is wrong.
      hash.update("\0unreadable");
    }
  }
  return hash.digest("hex");
}
