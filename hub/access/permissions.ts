/**
 * What an operator may see and call: the registry within the operator's rules.
 *
 *     wish ─▶ direct (sees only what the operator may see) ─▶ permit ─▶ Route
 *
 * @module
 */
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { EVERYTHING } from "../../shared/rules/rules.ts";
import { quote } from "../../shared/text/quote.ts";
import type { Auth, Operator } from "../auth/identity.ts";
import type { Registry } from "../registry/registry.ts";
import type { ServerName } from "../registry/tunnel.ts";
import { denied, hiddenError } from "./access_errors.ts";
import type { CallHeaders } from "./call_head.ts";
import { direct, directRaw, notHere, type Route, type RouteView } from "./director.ts";
import { NearNames } from "./near_names.ts";
import { RAW_PATH, rawServerOf } from "./peer_fields.ts";

const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({});

/** What must be known of the registry. */
type View = Omit<RouteView, "nearest" | "hidden"> & Pick<Registry, "changes" | "labelsOf">;

export interface PermissionsOptions {
  readonly auth: Pick<Auth, "grantOf">;
  readonly registry: View;
}

/** Decides who may see and call what. */
export class Permissions {
  readonly #auth: PermissionsOptions["auth"];
  readonly #registry: View;
  readonly #near: NearNames;
  /** The view of an operator who may do everything: each call asks for one. */
  readonly #wholeView: RouteView;

  constructor({ auth, registry }: PermissionsOptions) {
    this.#auth = auth;
    this.#registry = registry;
    this.#near = new NearNames(registry);
    this.#wholeView = {
      known: () => registry.known(),
      isOnline: (server) => registry.isOnline(server),
      isRenewing: (server) => (registry.isRenewing?.(server) ?? false),
      has: (server) => registry.has(server),
      lastSeen: (server) => registry.lastSeen(server),
      nearest: (server) => this.#near.of(server, { grant: EVERYTHING, sees: () => true }),
      unreachable: (server) => registry.unreachable?.(server),
    };
  }

  /** The registry as an operator may see it. */
  view({ name, grant }: Pick<Operator, "name" | "grant">): RouteView {
    const registry = this.#registry;
    if (grant.everything) return this.#wholeView;
    const sees = (server: ServerName) => grant.maySee(this.#target(server));
    return {
      known: function* () {
        for (const server of registry.known()) if (sees(server)) yield server;
      },
      isOnline: (server) => sees(server) && registry.isOnline(server),
      isRenewing: (server) => sees(server) && (registry.isRenewing?.(server) ?? false),
      has: (server) => sees(server) && registry.has(server),
      lastSeen: (server) => sees(server) ? registry.lastSeen(server) : undefined,
      nearest: (server) => this.#near.of(server, { grant, sees }),
      unreachable: (server) => sees(server) ? registry.unreachable?.(server) : undefined,
      hidden: (server) => sees(server) ? undefined : hiddenError(name, server),
    };
  }

  /** Whether an operator of this name may see a server; the empty name stands for all of them. */
  sees(operator: string, server: ServerName): boolean {
    const grant = this.#auth.grantOf(operator);
    if (grant.everything) return true;
    return server !== "" && grant.maySee(this.#target(server));
  }

  /** The error of a call whose server did not come. The operator may call this name, but perhaps no others. */
  notHere(server: ServerName): RpcError {
    return notHere(server, { ...this.#wholeView, nearest: () => [] });
  }

  /** Directs a routed call, if its operator may make it. */
  direct(head: CallHeaders, operator: Pick<Operator, "name" | "grant">): Route | RpcError {
    const route = direct(head.wish, this.view(operator));
    if (route instanceof RpcError || route.to === "hub") return route;
    return this.permit(head, { operator, server: route.name }) ?? route;
  }

  /** Directs a raw connection, if its operator may call everything there. */
  directRaw(candidates: readonly ServerName[], operator: Operator): Route | RpcError {
    const route = directRaw(candidates, this.view(operator));
    if (route instanceof RpcError || route.to === "hub") return route;
    return this.permitRaw(operator, route.name) ?? route;
  }

  /** Why an operator may not make this call of this server, as the server is now. */
  permit(
    { path }: Pick<CallHeaders, "path">,
    { operator, server }: { operator: Pick<Operator, "name" | "grant">; server: ServerName },
  ): RpcError | undefined {
    const { name, grant } = operator;
    if (grant.everything) return undefined;
    const target = this.#target(server);
    if (!grant.maySee(target)) return hiddenError(name, server);
    if (grant.mayCall(target, path)) return undefined;
    const why = grant.whyNot(target, path);
    return denied(
      `"${name}" may not call ${quote(path)} of server ${quote(server)}: ${why}`,
      server,
    );
  }

  /** Why an operator may not open a raw connection to a server, as the server is now. */
  permitRaw(
    { name, grant }: Pick<Operator, "name" | "grant">,
    server: ServerName,
  ): RpcError | undefined {
    if (grant.everything) return undefined;
    const target = this.#target(server);
    if (!grant.maySee(target)) return hiddenError(name, server);
    if (grant.mayCallAll(target)) return undefined;
    const why = grant.whyNot(target, "");
    return denied(
      `"${name}" may not open a raw connection to server ${
        quote(server)
      }: ${why} (the hub cannot ` +
        "see what is called there, so that every method must be allowed)",
      server,
    );
  }

  /**
   * Why an operator may not make a call that may have come from another hub: a raw connection comes from
   * there as a call, which no operator could make itself.
   */
  permitForwarded(
    head: CallHeaders,
    { operator, server }: { operator: Pick<Operator, "name" | "grant">; server: ServerName },
  ): RpcError | undefined {
    return head.path === RAW_PATH
      ? this.permitRaw(operator, rawServerOf(server, head))
      : this.permit(head, { operator, server });
  }

  /** Whether an operator of this name may make a call now; an empty path asks for every method. */
  canCall(
    operator: string,
    { server, path }: { server: ServerName; path: string },
  ): RpcError | undefined {
    const who = { name: operator, grant: this.#auth.grantOf(operator) };
    return path === ""
      ? this.permitRaw(who, server)
      : this.permit({ path }, { operator: who, server });
  }

  /** Whether an operator of this name may do everything now. */
  mayEverything(operator: string): boolean {
    return this.#auth.grantOf(operator).everything;
  }

  #target(name: ServerName) {
    return { name, labels: this.#registry.labelsOf(name) ?? NO_LABELS };
  }
}
