/**
 * The auth file as it stands on disk now, with the key files that it names.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { createHash } from "node:crypto";
import { dirname, resolve } from "node:path";
import type { Steps } from "../../shared/async/steps.ts";
import type { RpcError } from "../../shared/grpc/rpc_error.ts";
import type { Answer, Auth, CallRequest, Identity, Operator, TunnelRequest } from "./identity.ts";
import type { Refusal } from "../registry/refusal.ts";
import { type AuthFile, authFileSteps, MAX_AUTH_FILE_BYTES } from "./auth_file.ts";
import { FileAuth } from "./file_auth.ts";
import type { Grant } from "../../shared/rules/rules.ts";
import {
  type LoadedFile,
  parsedOnce,
  readRulesFile,
  WatchedFile,
} from "../../shared/files/watched_file.ts";

/** An auth file that was read. */
export interface LoadedAuthFile extends LoadedFile {
  readonly file: AuthFile;
  readonly auth: FileAuth;
}

/**
 * Reads an auth file and the key files that it names.
 *
 * @param parse Reads the text. @default authFileSteps
 * @param trust Whether who comes from loopback is on this machine: loopback_trust.ts.
 * @throws {Error} That says what is wrong, and where.
 */
export function* loadAuthFile(
  path: string,
  parse: (text: string) => Steps<AuthFile> = (text) => authFileSteps(path, text),
  trust: { readonly trustLoopback?: boolean } = {},
): Steps<LoadedAuthFile> {
  const text = readAuthFile(path);
  const file = yield* parse(text);
  const fingerprint = fingerprintOf(path, text, file);
  yield;
  return { file, auth: new FileAuth(path, file, trust), fingerprint };
}

/** Answers by the auth file that is in force now. */
export class WatchedAuth implements Auth {
  readonly #file: WatchedFile<LoadedAuthFile>;
  readonly #listeners = new Set<() => void>();

  /** @throws {Error} If the file cannot be used. */
  constructor(
    path: string,
    { pollMs, ...trust }: { readonly pollMs?: number; readonly trustLoopback?: boolean } = {},
  ) {
    const log = getLogger(["hub", "auth"]);
    const parse = parsedOnce((text) => authFileSteps(path, text));
    this.#file = new WatchedFile({
      load: () => loadAuthFile(path, parse, trust),
      fingerprint: ({ file }) => fingerprintOf(path, readAuthFile(path), file),
      pollMs,
      onChange: ({ file: { servers, operators } }) => {
        log.info("{path} has changed and is in force: {servers} servers, {operators} operators", {
          path,
          servers: servers.length,
          operators: operators.length,
        });
        for (const listener of this.#listeners) listener();
      },
      onBroken: (message) =>
        log.error(
          "The auth file has changed but is NOT in force, the one before it still is: {message}; " +
            "ghub auth check {path} lists all faults",
          { message, path },
        ),
    });
  }

  authorizeTunnel(request: TunnelRequest): Answer<Identity | Refusal> {
    return this.#ask((auth) => auth.authorizeTunnel(request));
  }

  authorizeCall(request: CallRequest): Answer<Operator | RpcError> {
    return this.#ask((auth) => auth.authorizeCall(request));
  }

  grantOf(operator: string): Grant {
    return this.#file.current.auth.grantOf(operator);
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  look(): Promise<boolean> {
    return this.#file.look();
  }

  close(): void {
    this.#file[Symbol.dispose]();
  }

  /** An answer that took its time may be that of a file which is no longer in force. */
  #ask<T>(question: (auth: FileAuth) => Answer<T>): Answer<T> {
    const { auth } = this.#file.current;
    const answer = question(auth);
    if (!(answer instanceof Promise)) return answer;
    return answer.then((value) => this.#file.current.auth === auth ? value : this.#ask(question));
  }
}

function readAuthFile(path: string): string {
  return readRulesFile(path, { what: "auth file", maxBytes: MAX_AUTH_FILE_BYTES });
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
