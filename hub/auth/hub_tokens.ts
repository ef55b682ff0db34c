/**
 * The hub's own two tokens, for as long as there is no auth file.
 *
 *     credential   from loopback, no proxy   from elsewhere or through a proxy
 *     none         accepted                  refused
 *     right token  accepted                  accepted
 *     any other    refused                   refused
 *
 * With the join token a server registers, with the operator token an operator calls. Neither
 * opens the other's door.
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { openStateFolder } from "../../shared/files/state_folder.ts";
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { isLoopback } from "../../shared/net/loopback.ts";
import {
  type Auth,
  type CallRequest,
  type Identity,
  type Operator,
  type TunnelRequest,
} from "../auth.ts";
import { ERROR_DOMAIN } from "../director.ts";
import { isForwarded } from "../forwarded.ts";
import type { Refusal } from "../refusal.ts";
import { openToken, randomToken } from "../token_file.ts";
import { bearerToken } from "./bearer.ts";
import { EVERYTHING, type Grant } from "../../shared/policy/rules.ts";

/** Where the tokens of a state folder are. */
export function tokenFiles(stateDir: string): { readonly join: string; readonly operator: string } {
  return { join: `${stateDir}/join.token`, operator: `${stateDir}/operator.token` };
}

/**
 * Opens the tokens, and at the first start makes them.
 *
 * @param stateDir Folder of the tokens. Without one they are in memory only and nobody knows
 * them, so that only loopback gets in.
 * @throws {Error} If the folder cannot be made, or it or a token file is not safe.
 */
export function openHubTokens(stateDir: string | undefined): HubTokens {
  if (stateDir === undefined) return new HubTokens(randomToken(), randomToken());
  openStateFolder(stateDir);
  const { join, operator } = tokenFiles(stateDir);
  return new HubTokens(openToken(join), openToken(operator));
}

type Door = "server" | "operator";

/** What is wrong with a credential. */
type Fault = "missing" | "malformed" | "wrong" | "other door";

/** Door → the token that opens it. */
const TOKEN_OF = { server: "join token", operator: "operator token" } as const;
const NAME_OF = { server: "join-token", operator: "operator" } as const;

/** The two tokens of this hub. */
export class HubTokens implements Auth {
  /** Digests all have one length, as a comparison in constant time needs. */
  readonly #digests: Readonly<Record<Door, Uint8Array>>;
  /** Made once: to make one costs more than to ask for it. */
  readonly #errors: Partial<Record<Fault, RpcError>> = {};

  /** @throws {Error} If both tokens are the same. */
  constructor(joinToken: string, operatorToken: string) {
    if (joinToken === operatorToken) {
      throw new Error("Cannot use one token as join token and as operator token");
    }
    this.#digests = { server: digest(joinToken), operator: digest(operatorToken) };
  }

  authorizeTunnel({ remote, header }: TunnelRequest): Identity | Refusal {
    const result = this.#check("server", {
      authorization: header("authorization") ?? undefined,
      local: isLoopback(remote) && !isForwarded(header),
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

  onChange(): void {
    // It never does.
  }

  close(): void {}

  #check(
    door: Door,
    { authorization, local }: { authorization: string | undefined; local: boolean },
  ): Identity | Fault {
    if (authorization === undefined) {
      return local ? { kind: door, name: "loopback", how: "loopback" } : "missing";
    }
    const token = bearerToken(authorization);
    if (token === undefined) return "malformed";
    const given = digest(token);
    if (timingSafeEqual(given, this.#digests[door])) {
      return { kind: door, name: NAME_OF[door], how: "token" };
    }
    const other = door === "server" ? "operator" : "server";
    return timingSafeEqual(given, this.#digests[other]) ? "other door" : "wrong";
  }
}

/** `ErrorInfo.reason` of each fault. */
const FAULT_REASON: Record<Fault, string> = {
  "missing": "TOKEN_MISSING",
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
      return `${whose} that do not come from the hub's own machine need its ${token} ` +
        "(--token-file), sent as Authorization: Bearer";
    case "malformed":
      return "Cannot read Authorization: it must be Bearer <token>";
    case "wrong":
      return `Wrong token: it is not the ${token} of this hub`;
    case "other door":
      return `Wrong kind of token: ${whose.toLowerCase()} need the ${token} of this hub`;
  }
}

function digest(token: string): Uint8Array {
  return createHash("sha256").update(token).digest();
}
