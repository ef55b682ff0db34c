/**
 * What is open, and whether it still may be: ends what has lost its credential or permission.
 *
 *     auth file changes, credential expires ─▶ check everything that is open ─▶ close, fail
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { turns } from "../../shared/async/turns.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import type { Grant } from "../../shared/rules/rules.ts";
import type {
  Auth,
  CallRequest,
  Identity,
  KnownCaller,
  Operator,
  TunnelRequest,
} from "../auth/identity.ts";
import { SlotSet } from "../peer/slot_set.ts";
import type { CloseReason, ServerName, Tunnel } from "../registry/tunnel.ts";
import { ended, endedError } from "./access_errors.ts";
import type { Authenticator } from "./authenticator.ts";
import type { CallHeaders } from "./call_head.ts";
import type { Permissions } from "./permissions.ts";

/** How often JWTs of what is open are checked: an issuer that withdraws a key tells nobody. */
export const LOOK_AT_JWTS_S = 600;
/** WebSocket close code: policy violation (RFC 6455 §7.4.1). */
const POLICY_VIOLATION = 1008;

/** A call that was let in and has not ended. */
export interface LiveCall {
  readonly head: CallHeaders;
  /** Who calls; a new look may find that it may do something else. */
  readonly identity: { grant: Grant };
  /** Name of its server; empty for the hub's own services. */
  readonly server: ServerName;
  /** Written here, as long as the call is kept here. */
  admission: KnownCaller | undefined;
  livePlace: number;
  fail(error: RpcError): void;
}

/** A raw connection that was let in and has not ended. */
export interface LiveRaw {
  readonly server: ServerName;
  readonly identity: Operator;
  readonly request: CallRequest;
  end(error: RpcError): void;
}

/** A tunnel as it is closed here. */
export interface LiveTunnel extends Tunnel {
  close(reason: CloseReason, code?: number): void;
}

export interface LiveAccessOptions {
  readonly auth: Pick<Auth, "authorizeTunnel">;
  readonly authenticator: Pick<Authenticator, "epoch" | "forget" | "lookAgain">;
  readonly permissions: Pick<Permissions, "permitForwarded" | "permitRaw">;
}

/** Keeps all that is open, and asks again for it when other answers may be given. */
export class LiveAccess {
  readonly #auth: LiveAccessOptions["auth"];
  readonly #authenticator: LiveAccessOptions["authenticator"];
  readonly #permissions: LiveAccessOptions["permissions"];
  readonly #calls = new SlotSet<"livePlace", LiveCall>("livePlace");
  readonly #raws = new Set<LiveRaw>();
  readonly #tunnels = new Map<LiveTunnel, { request: TunnelRequest; identity: Identity }>();
  #seconds = 0;
  #looking: Promise<void> | undefined;

  constructor({ auth, authenticator, permissions }: LiveAccessOptions) {
    this.#auth = auth;
    this.#authenticator = authenticator;
    this.#permissions = permissions;
  }

  /** A tunnel that is registered now. */
  keepTunnel(tunnel: LiveTunnel, request: TunnelRequest, identity: Identity): void {
    this.#tunnels.set(tunnel, { request, identity });
    void tunnel.closed.then(() => this.#tunnels.delete(tunnel));
  }

  /** A call goes on from now. */
  callStarted(call: LiveCall): void {
    call.admission = call.head.admission;
    if (call.admission !== undefined) this.#calls.add(call);
  }

  callEnded(call: LiveCall): void {
    this.#calls.delete(call);
  }

  /** A raw connection that stands now. */
  keepRaw(raw: LiveRaw): Disposable {
    this.#raws.add(raw);
    return { [Symbol.dispose]: () => this.#raws.delete(raw) };
  }

  /** Other answers may be given from now on: ends what would not be let in any more. */
  trustHasChanged(): void {
    this.#authenticator.forget();
    void this.#lookAgain();
  }

  /** Once a second: ends what depends on a credential that has expired, or whose key is gone. */
  tick(): void {
    const now = Date.now();
    const lookAtJwts = ++this.#seconds % LOOK_AT_JWTS_S === 0;
    const isOver = ({ how, expiresAtMs = Infinity }: Identity) =>
      expiresAtMs <= now || (lookAtJwts && how === "jwt");
    const over = [...this.#tunnels.values()].some(({ identity }) => isOver(identity)) ||
      this.#calls.members.some(({ admission }) => isOver(admission!.operator)) ||
      [...this.#raws].some(({ identity }) => isOver(identity));
    if (over) void this.#lookAgain();
  }

  /** Asks again for all that is open. A change in the middle of it makes it begin again. */
  #lookAgain(): Promise<void> {
    return this.#looking ??= this.#look().catch((error) =>
      getLogger(["hub", "auth"]).error("Cannot check open tunnels and calls again: {error}", {
        error,
      })
    ).finally(() => this.#looking = undefined);
  }

  async #look(): Promise<void> {
    let epoch;
    do {
      epoch = this.#authenticator.epoch;
      await this.#lookAtTunnels();
      await this.#lookAtCalls();
      await this.#lookAtRaws();
    } while (epoch !== this.#authenticator.epoch);
  }

  async #lookAtTunnels(): Promise<void> {
    for (const [tunnel, kept] of this.#tunnels) {
      if (turns.isOver()) await turns.next();
      const answer = await this.#auth.authorizeTunnel(kept.request);
      if (!("status" in answer)) kept.identity = answer;
      else if (answer.status !== 503) {
        tunnel.close({ reason: ended(kept.identity, answer.message), by: "hub" }, POLICY_VIOLATION);
      }
    }
  }

  async #lookAtCalls(): Promise<void> {
    const answers = new Map<CallRequest, Operator | RpcError>();
    for (const call of [...this.#calls.members]) {
      if (turns.isOver()) await turns.next();
      if (!this.#calls.has(call)) continue;
      const { request, operator } = call.admission!;
      const answer = answers.get(request) ?? await this.#authenticator.lookAgain(request);
      answers.set(request, answer);
      if (!this.#calls.has(call)) continue;
      if (answer instanceof RpcError) {
        if (answer.code === Status.UNAVAILABLE) continue;
        call.fail(endedError(operator, answer));
        continue;
      }
      const error = call.server === ""
        ? undefined
        : this.#permissions.permitForwarded(call.head, { operator: answer, server: call.server });
      if (error !== undefined) call.fail(endedError(operator, error));
      else {
        call.identity.grant = answer.grant;
        call.admission = {
          request,
          operator: answer,
          untilMs: 0,
          epoch: this.#authenticator.epoch,
        };
      }
    }
  }

  async #lookAtRaws(): Promise<void> {
    for (const raw of this.#raws) {
      if (turns.isOver()) await turns.next();
      const answer = await this.#authenticator.lookAgain(raw.request);
      const error = answer instanceof RpcError
        ? answer
        : this.#permissions.permitRaw(answer, raw.server);
      if (error === undefined || error.code === Status.UNAVAILABLE) continue;
      raw.end(endedError(raw.identity, error));
    }
  }
}
