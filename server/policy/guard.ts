/**
 * Checks operators' rights by the server's own policy, so that somebody who holds a token of the hub, or sits
 * between, cannot call what this server forbids (docs/decisions/0012).
 *
 *     dial ── nonce ──▶ hub         hub ── key statement ──▶ trust(): pinned at first contact
 *     call ── voucher ─▶ VoucherReader ─▶ refusal(): the policy that is in force now
 *     the policy changes ─▶ what it forbids from now on ends
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { randomBytes } from "node:crypto";
import type { ReloadPart } from "../../shared/cli/reload.ts";
import type { RpcError } from "../../shared/grpc/rpc_error.ts";
import { parsedOnce, WatchedFile } from "../../shared/files/watched_file.ts";
import { readKeys, type VouchedTunnel } from "../../shared/vouchers/voucher.ts";
import { forbidden, untrusted } from "./errors.ts";
import { KnownHubs, showKey } from "./known_hubs.ts";
import {
  type Called,
  type LoadedPolicy,
  loadPolicy,
  policyFingerprint,
  policySteps,
  type VouchedCaller,
} from "./policy_file.ts";
import { VoucherReader } from "./voucher_reader.ts";

/** 192 bits; as text 32 characters. */
const NONCE_BYTES = 24;

/** Something that was allowed and goes on. */
export interface Kept {
  /** Why it is no longer allowed; `undefined` while it is. */
  recheck(): RpcError | undefined;
  end(why: RpcError): void;
}

/** Options of {@linkcode Guard}. */
export interface GuardOptions {
  readonly policyFile: string;
  /** Folder of {@linkcode KnownHubs}. */
  readonly stateDir: string;
  /** How often the file is looked at. @default a second */
  readonly pollMs?: number;
}

/** What a hub said when the tunnel was opened. */
export interface Introduction extends VouchedTunnel {
  readonly hubUri: URL;
  /** The hubs that this server is given. @default this one */
  readonly cluster?: readonly URL[];
  /** Its key statement; `undefined` if there was none. */
  readonly keys: string | undefined;
}

/** Checks each call against the policy file that is in force now. */
export class Guard implements Disposable {
  readonly #path: string;
  readonly #hubs: KnownHubs;
  readonly #file: WatchedFile<LoadedPolicy>;
  readonly #kept = new Set<Kept>();

  /** @throws {Error} If the policy cannot be used. */
  constructor({ policyFile: path, stateDir, pollMs }: GuardOptions) {
    const log = getLogger(["server", "policy"]);
    this.#path = path;
    this.#hubs = new KnownHubs(stateDir);
    const parse = parsedOnce((text) => policySteps(path, text));
    this.#file = new WatchedFile({
      load: () => loadPolicy(path, parse),
      fingerprint: () => policyFingerprint(path),
      pollMs,
      onChange: ({ policy }) => {
        const { length: rules } = policy.rules;
        log.info("{path} has changed and is in force: {rules} rules", { path, rules });
        this.#lookAgain();
      },
      onBroken: (message) =>
        log.error(
          "The policy file has changed but is NOT in force, the one before it still is: {message}; " +
            "gserver policy check {path} lists all faults",
          { message, path },
        ),
    });
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  /** The policy, to be looked at now. */
  get reloadPart(): ReloadPart {
    return {
      what: `policy file ${this.#path}`,
      look: async () => await this.#file.look() ? "in force, it has changed" : "unchanged",
    };
  }

  /** For one dial. */
  newNonce(): string {
    return randomBytes(NONCE_BYTES).toString("base64url");
  }

  /** What is believed on a tunnel that has just opened. Says loudly why, if it is nothing. */
  meet({ hubUri, cluster = [], keys, server, nonce }: Introduction): VoucherReader {
    const log = getLogger(["server", "policy"]);
    const hub = hubUri.href;
    const refuse = (message: string) => {
      log.error("Calls through {hub} to {server} are REFUSED: {message}", { hub, server, message });
      return new VoucherReader(untrusted(message));
    };
    if (keys === undefined) {
      return refuse(
        "The hub does not vouch for operators, as this server's policy needs: update the hub",
      );
    }
    const tunnel = { server, nonce };
    const metAtMs = performance.now();
    try {
      const statement = readKeys(keys, tunnel);
      const meeting = this.#hubs.meet(hubUri, statement, { cluster });
      const [key] = statement.keys.map(showKey);
      const { path } = this.#hubs;
      if (meeting === "first") {
        log.warn("First contact with the hub at {hub}: its key {key} is pinned in {path}", {
          hub,
          key,
          path,
        });
      } else if (meeting === "joined") {
        log.info("The hub at {hub} has the keys of the others, and is pinned in {path}", {
          hub,
          path,
        });
      } else if (meeting === "renewed") {
        log.info("The hub at {hub} has renewed its keys in good order, now {key}", { hub, key });
      }
      const hubNowMs = () => statement.hubTimeMs + performance.now() - metAtMs;
      return new VoucherReader({ tunnel, keys: statement.keys, hubNowMs });
    } catch (error) {
      const { message } = error as Error;
      return refuse(
        error instanceof SyntaxError ? `The hub's key statement is not good: ${message}` : message,
      );
    }
  }

  /** Why somebody may not call this now. */
  refusal(caller: VouchedCaller, called: Called): RpcError | undefined {
    return this.#file.current.policy.allows(caller, called) ? undefined : forbidden(caller, called);
  }

  /** Why somebody may not even open a raw connection to this server's own services. */
  rawRefusal(caller: VouchedCaller): RpcError | undefined {
    return this.#file.current.policy.knows(caller)
      ? undefined
      : forbidden(caller, { upstream: "" });
  }

  /** To be asked again when the policy changes, until it is disposed of. */
  keep(kept: Kept): Disposable {
    this.#kept.add(kept);
    return { [Symbol.dispose]: () => this.#kept.delete(kept) };
  }

  /** What is kept now. */
  get keptCount(): number {
    return this.#kept.size;
  }

  #lookAgain(): void {
    for (const kept of [...this.#kept]) {
      const why = kept.recheck();
      if (why !== undefined) kept.end(why);
    }
  }
}

/** A server's own policy, and what is believed on one tunnel. */
export interface Guarded {
  readonly guard: Guard;
  readonly vouchers: VoucherReader;
}
