/**
 * The hub's own tokens, for as long as there is no auth file.
 *
 *     credential   from loopback, no proxy   from elsewhere or through a proxy
 *     none         accepted                  refused
 *     right token  accepted                  accepted
 *     any other    refused                   refused
 *
 * Where loopback is no proof (loopback_trust.ts), it counts as elsewhere.
 *
 * With a join token a server registers, with the operator token an operator calls. Neither
 * opens the other's door. There may be several join tokens (join_tokens.ts), so that one can be
 * replaced while servers still have the old one.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { createHash, timingSafeEqual } from "node:crypto";
import { openStateFolder } from "../../shared/files/state_folder.ts";
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { isLoopback } from "../../shared/net/loopback.ts";
import type { Auth, CallRequest, Identity, Operator, TunnelRequest } from "./identity.ts";
import { ERROR_DOMAIN } from "../errors.ts";
import { WatchedFolder } from "../../shared/files/watched_folder.ts";
import type { Refusal } from "../registry/refusal.ts";
import { NOT_ENROLLED } from "./enrolment.ts";
import { openToken, randomToken } from "./token_file.ts";
import { bearerToken } from "./bearer.ts";
import { joinTokens } from "./join_tokens.ts";
import { LOOPBACK_SAYS_NOTHING } from "./loopback_trust.ts";
import { EVERYTHING, type Grant } from "../../shared/rules/rules.ts";

/** Door → the file of its token. */
const FILE_OF = { server: "join.token", operator: "operator.token" } as const;

/** Where the tokens of a state folder are. */
export function tokenFiles(stateDir: string): { readonly join: string; readonly operator: string } {
  return { join: `${stateDir}/${FILE_OF.server}`, operator: `${stateDir}/${FILE_OF.operator}` };
}

/** What the audit calls a server that came with a join token. */
export const JOIN_TOKEN = "join-token";

/** A state folder that several workers of one process use. */
export interface JointFolder {
  /** Does what no other worker does at the same time. */
  alone<T>(work: () => T): T;
}

export interface OpenOptions {
  /** How often the state folder is asked for other join tokens. @default once a second */
  readonly pollMs?: number | undefined;
  /** Who comes from loopback is on this machine: loopback_trust.ts. @default true */
  readonly trustLoopback?: boolean;
  /** Other workers of this process that use the folder as well. @default it is alone */
  readonly joint?: JointFolder | undefined;
}

/**
 * Opens the tokens, and at the first start makes them.
 *
 * @param stateDir Folder of the tokens. Without one they are in memory only and nobody knows
 * them, so that only loopback gets in.
 * @throws {Error} If the folder cannot be made, or it or a token file is not safe.
 */
export function openHubTokens(
  stateDir: string | undefined,
  { pollMs, trustLoopback = true, joint }: OpenOptions = {},
): HubTokens {
  if (stateDir === undefined) {
    return new HubTokens([randomToken()], randomToken(), { trustLoopback });
  }
  openStateFolder(stateDir);
  const { operator } = tokenFiles(stateDir);
  const read = (known: readonly string[]) => joinTokens(stateDir, known);
  // If somebody has removed a token, one of them makes the next one.
  const inForce = joint === undefined
    ? read
    : (known: readonly string[]) => joint.alone(() => read(known));
  return new HubTokens(inForce([]), openToken(operator), {
    source: { inForce, stateDir, pollMs },
    trustLoopback,
  });
}

type Door = "server" | "operator";

/** What is wrong with a credential. */
type Fault = "missing" | "untrusted loopback" | "malformed" | "wrong" | "other door";

/** Door → the token that opens it. */
const TOKEN_OF = { server: "join token", operator: "operator token" } as const;
const NAME_OF = { server: JOIN_TOKEN, operator: "operator" } as const;

interface Source {
  /** The join tokens that are in force now, of which some were before. */
  readonly inForce: (known: readonly string[]) => string[];
  readonly stateDir: string;
  readonly pollMs: number | undefined;
}

/** The tokens of this hub. */
export class HubTokens implements Auth {
  /** Digests all have one length, as a comparison in constant time needs. */
  readonly #digests: Record<Door, readonly Uint8Array[]>;
  readonly #source: Source | undefined;
  readonly #trustLoopback: boolean;
  readonly #watch: WatchedFolder | undefined;
  readonly #listeners = new Set<() => void>();
  #join: readonly string[];
  /** Made once: to make one costs more than to ask for it. */
  readonly #errors: Partial<Record<Fault, RpcError>> = {};

  /** @throws {Error} If one token is both a join token and the operator token. */
  constructor(
    joinTokens: readonly string[],
    operatorToken: string,
    { source, trustLoopback = true }: {
      readonly source?: Source;
      readonly trustLoopback?: boolean;
    } = {},
  ) {
    if (joinTokens.includes(operatorToken)) {
      throw new Error("Cannot use one token as join token and as operator token");
    }
    this.#join = joinTokens;
    this.#digests = { server: joinTokens.map(digest), operator: [digest(operatorToken)] };
    this.#source = source;
    this.#trustLoopback = trustLoopback;
    this.#watch = source && new WatchedFolder(source.stateDir, {
      onChange: () => {
        try {
          this.look();
        } catch (error) {
          getLogger(["hub", "auth"]).error("Cannot read the join tokens: {error}", { error });
        }
      },
      pollMs: source.pollMs,
    });
  }

  authorizeTunnel({ remote, header, forwarded = false }: TunnelRequest): Identity | Refusal {
    const result = this.#check("server", {
      authorization: header("authorization") ?? undefined,
      local: isLoopback(remote) && !forwarded,
    });
    if (typeof result !== "string") return result;
    const message = faultMessage("server", result);
    return result === "other door"
      ? { status: 403, code: "PERMISSION_DENIED", message }
      : { status: 401, code: "UNAUTHENTICATED", message };
  }

  authorizeCall({ remote, authorization, forwarded = false }: CallRequest): Operator | RpcError {
    const result = this.#check("operator", {
      authorization,
      local: isLoopback(remote) && !forwarded,
    });
    if (typeof result !== "string") return { ...result, grant: EVERYTHING };
    return this.#errors[result] ??= toRpcError(result);
  }

  grantOf(): Grant {
    return EVERYTHING;
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  look(): boolean {
    const now = this.#source?.inForce(this.#join) ?? this.#join;
    if (now.length === this.#join.length && now.every((one) => this.#join.includes(one))) {
      return false;
    }
    this.#join = now;
    this.#digests.server = now.map(digest);
    getLogger(["hub", "auth"]).info("{count} join tokens are in force", { count: now.length });
    for (const listener of this.#listeners) listener();
    return true;
  }

  close(): void {
    this.#watch?.[Symbol.dispose]();
    // An operator who removes the join token and restarts the hub is faster than the watch.
    try {
      this.#source?.inForce(this.#join);
    } catch {
      // It says so at the next start.
    }
  }

  #check(
    door: Door,
    { authorization, local }: { authorization: string | undefined; local: boolean },
  ): Identity | Fault {
    if (authorization === undefined) {
      if (!local) return "missing";
      if (!this.#trustLoopback) return "untrusted loopback";
      return { kind: door, name: "loopback", how: "loopback" };
    }
    const token = bearerToken(authorization);
    if (token === undefined) return "malformed";
    const given = digest(token);
    const opens = (one: Door) =>
      this.#digests[one].some((expected) => timingSafeEqual(given, expected));
    if (opens(door)) return { kind: door, name: NAME_OF[door], how: "token" };
    return opens(door === "server" ? "operator" : "server") ? "other door" : "wrong";
  }
}

/** `ErrorInfo.reason` of each fault. */
const FAULT_REASON: Record<Fault, string> = {
  "missing": "TOKEN_MISSING",
  "untrusted loopback": "TOKEN_MISSING",
  "malformed": "TOKEN_MALFORMED",
  "wrong": "TOKEN_WRONG",
  "other door": "TOKEN_NOT_FOR_THIS",
};

function toRpcError(fault: Fault): RpcError {
  const code = fault === "other door" ? Status.PERMISSION_DENIED : Status.UNAUTHENTICATED;
  return new RpcError(code, faultMessage("operator", fault), {
    details: [errorInfo(FAULT_REASON[fault], ERROR_DOMAIN)],
  });
}

function faultMessage(door: Door, fault: Fault): string {
  const token = TOKEN_OF[door];
  const whose = door === "server" ? "Servers" : "Operators";
  switch (fault) {
    case "missing":
      return door === "server"
        ? "Servers that do not come from the hub's own machine need a token (--token-file), sent as " +
          "Authorization: Bearer; ghub enroll NAME makes one"
        : `Operators that do not come from the hub's own machine need its ${token} ` +
          "(--token-file), sent as Authorization: Bearer";
    case "untrusted loopback":
      return `${whose} need the ${token} of this hub (--token-file; ${
        FILE_OF[door]
      } in its state ` +
        `folder), sent as Authorization: Bearer; ${LOOPBACK_SAYS_NOTHING}`;
    case "malformed":
      return "Cannot read Authorization: it must be Bearer <token>";
    case "wrong":
      return door === "server" ? NOT_ENROLLED : `Wrong token: it is not the ${token} of this hub`;
    case "other door":
      return `Wrong kind of token: ${whose.toLowerCase()} need the ${token} of this hub`;
  }
}

function digest(token: string): Uint8Array {
  return createHash("sha256").update(token).digest();
}
