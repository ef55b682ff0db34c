/**
 * Where a call goes: docs/protocol.md §10.1. Pure, so that routing is a table test.
 *
 *     metadata x-hub-server (or name)                    → that server
 *     :authority, first label, if such a server is known → that server
 *     ghub.v1.*, health and reflection                   → the hub
 *     exactly one server is known, here or away          → that one
 *     else                                               → INVALID_ARGUMENT with the names
 *
 * A server that is away counts: a command must not go to another machine because the right one is
 * not here just now.
 *
 * @module
 */
import { errorInfo, retryInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import type { HeaderList } from "../../shared/http2/header_list.ts";
import { RENEWAL_WAIT_MS } from "../../shared/registration/renewing.ts";
import { quote } from "../../shared/text/quote.ts";
import { isServerName, NAME_RULE } from "../../shared/registration/server_name.ts";
import type { CallHead, ServerName } from "../registry/tunnel.ts";
import { ERROR_DOMAIN, MAX_NAMES_SHOWN, RETRY_DELAY_MS } from "../errors.ts";

/** What the rule must know of the registry. `Registry` fits. */
export interface RouteView {
  /** Names that are or were here. */
  known(): Iterable<ServerName>;
  isOnline(name: ServerName): boolean;
  /** Not, but its next tunnel comes at once: calls wait for that without being asked to. */
  isRenewing?(name: ServerName): boolean;
  /** Whether the name is or was here. */
  has(name: ServerName): boolean;
  nearest(name: string): readonly string[];
  lastSeen(name: ServerName): { readonly lastSeenMs: number; readonly reason: string } | undefined;
  /** Why a server that another hub has cannot be reached from here; `undefined` for any other. */
  unreachable?(name: ServerName): RpcError | undefined;
  /** The one answer about a name of which this caller may learn nothing. */
  hidden?(name: ServerName): RpcError | undefined;
}

export type Route =
  | { readonly to: "hub" }
  | {
    readonly to: "server";
    readonly name: ServerName;
    /** The server is not here: wait up to this long for it, inside the call's deadline. */
    readonly waitMs?: number;
  };

/** Names that are looked at to choose those that an error lists. */
const MAX_NAMES_SORTED = 2_000;
/** The longest `x-hub-wait`. */
export const MAX_HUB_WAIT_MS = 3_600_000;

/** The names of routing metadata. `name` is what the first prototype's clients send. */
const SERVER_FIELD = "x-hub-server";
const OLD_SERVER_FIELD = "name";
const WAIT_FIELD = "x-hub-wait";

/** What the hub answers itself when no server is named. */
const OWN_SERVICES: readonly string[] = [
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
];
const OWN_PACKAGE = "ghub.v1.";
/** Spoken by the hub alone: through it anybody could open raw connections unseen. */
const TUNNEL_SERVICE = "ghub.v1.Tunnel";
const TUNNEL_PATH = "ghub.v1.tunnel/";

const WAIT = /^(\d{1,9})(ms|s|m|h)$/;
const WAIT_UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** Where a call's head asks to go, whoever is registered. */
export interface Wish {
  readonly service: string;
  readonly named: ServerName | undefined;
  readonly waitMs: number | undefined;
  /** A server's name that `:authority` may mean, if no metadata names one. */
  readonly label: ServerName | undefined;
}

/** Reads what a call's head says of where it is to go. */
export function wishOf(head: CallHead): Wish | RpcError {
  if (isTunnelService(head.path)) return onlyForServers();
  const named = namedServer(head.fields);
  if (named instanceof RpcError) return named;
  const waitMs = waitOf(head.fields);
  if (waitMs instanceof RpcError) return waitMs;
  const label = named === undefined ? firstLabel(head.authority) : undefined;
  return { service: serviceOf(head.path), named, waitMs, label };
}

/**
 * Directs one routed call.
 *
 * @param wish What `wishOf` gave for its head.
 */
export function direct(wish: Wish | RpcError, view: RouteView): Route | RpcError {
  if (wish instanceof RpcError) return wish;
  const { service, named, waitMs, label } = wish;
  if (named !== undefined) return toServer(named, waitMs, view);
  // The hub's host name may begin like a server's: that must not hide the hub from its operators.
  if (service.startsWith(OWN_PACKAGE)) return { to: "hub" };
  if (label !== undefined && view.has(label)) return toServer(label, waitMs, view);
  if (OWN_SERVICES.includes(service)) return { to: "hub" };
  const only = onlyServer(view);
  if (only === undefined) return unnamed(view, `metadata ${SERVER_FIELD}`);
  return toServer(only, waitMs, view);
}

/**
 * Directs a raw connection: docs/protocol.md §11.
 *
 * @param candidates What its handshake may mean, likeliest first; empty if it names nothing.
 */
export function directRaw(candidates: readonly ServerName[], view: RouteView): Route | RpcError {
  const [first] = candidates;
  const name = first === undefined
    ? onlyServer(view)
    : candidates.find((name) => view.has(name)) ?? first;
  return name === undefined ? unnamed(view, "the handshake") : toServer(name, undefined, view);
}

function toServer(
  name: ServerName,
  waitMs: number | undefined,
  view: RouteView,
): Route | RpcError {
  const hidden = view.hidden?.(name);
  if (hidden !== undefined) return hidden;
  if (view.isOnline(name)) return { to: "server", name };
  // Also for a name that was never here: after a restart the hub has to learn them all again.
  if (waitMs !== undefined) return { to: "server", name, waitMs };
  if (view.isRenewing?.(name)) return { to: "server", name, waitMs: RENEWAL_WAIT_MS };
  return notHere(name, view);
}

/** The error of a call whose server is not here, or did not come while the call waited. */
export function notHere(name: ServerName, view: RouteView): RpcError {
  return view.unreachable?.(name) ??
    (view.has(name) ? offline(name, view) : notFound(name, view));
}

/** Upstreams do not make a choice out of one server: with nothing else, they are chosen from. */
function onlyServer(view: RouteView): ServerName | undefined {
  let server: ServerName | undefined, upstream: ServerName | undefined, upstreams = 0;
  for (const name of view.known()) {
    if (name.includes("/")) {
      upstream = name;
      upstreams++;
    } else if (server !== undefined) return undefined;
    else server = name;
  }
  return server ?? (upstreams === 1 ? upstream : undefined);
}

/** The names that an error lists, by name, and how many more there are at least. */
export function shownNames(view: RouteView): { names: ServerName[]; more: number } {
  const names: ServerName[] = [];
  for (const name of view.known()) if (names.push(name) === MAX_NAMES_SORTED) break;
  names.sort();
  return { names: names.slice(0, MAX_NAMES_SHOWN), more: names.length - MAX_NAMES_SHOWN };
}

/** Some gRPC servers ignore case, or all that stands before the last two parts of a path. */
export function isTunnelService(path: string): boolean {
  return path.toLowerCase().includes(TUNNEL_PATH);
}

/** What a call of that service is told. */
export function onlyForServers(): RpcError {
  return new RpcError(
    Status.PERMISSION_DENIED,
    `${TUNNEL_SERVICE} is spoken between hub and servers only`,
    { details: [errorInfo("NOT_FOR_OPERATORS", ERROR_DOMAIN)] },
  );
}

/** Whether the hub answers a call of this path itself when it names no server. */
export function isOwnCall(path: string): boolean {
  const service = serviceOf(path);
  return service.startsWith(OWN_PACKAGE) || OWN_SERVICES.includes(service);
}

/** The service of `/package.Service/Method`. */
function serviceOf(path: string): string {
  return path.slice(1, Math.max(1, path.lastIndexOf("/")));
}

/** The one value of a field; an error if it is there twice. */
function single(fields: HeaderList, name: string): string | undefined | RpcError {
  let found: string | undefined;
  for (const [field, value] of fields) {
    if (field !== name) continue;
    if (found !== undefined) return invalid(`Metadata ${name} is there twice: send it once`);
    found = value;
  }
  return found;
}

function namedServer(fields: HeaderList): ServerName | undefined | RpcError {
  const named = single(fields, SERVER_FIELD);
  if (named instanceof RpcError) return named;
  const old = single(fields, OLD_SERVER_FIELD);
  if (old instanceof RpcError) return old;
  // Guessing which of two servers was meant could restart the wrong one.
  if (named !== undefined && old !== undefined && named !== old) {
    return invalid(
      `Metadata ${SERVER_FIELD} says ${quote(named)} and ${OLD_SERVER_FIELD} says ` +
        `${quote(old)}: send only ${SERVER_FIELD}`,
    );
  }
  const name = named ?? old;
  if (name === undefined || isServerName(name)) return name;
  const field = named === undefined ? OLD_SERVER_FIELD : SERVER_FIELD;
  return invalid(`Bad server name ${quote(name)} in metadata ${field}: it must be ${NAME_RULE}`);
}

function waitOf(fields: HeaderList): number | undefined | RpcError {
  const text = single(fields, WAIT_FIELD);
  if (text === undefined || text instanceof RpcError) return text;
  const match = WAIT.exec(text);
  const ms = match && Number(match[1]) * WAIT_UNIT_MS[match[2] as keyof typeof WAIT_UNIT_MS];
  if (ms === null || ms > MAX_HUB_WAIT_MS) {
    return invalid(
      `Bad duration ${quote(text)} in metadata ${WAIT_FIELD}: it must be like 500ms, 30s or 5m, ` +
        "at most 1h",
    );
  }
  return ms;
}

/** `edge-1` of `edge-1.hub.example:9090`; addresses have no labels. */
function firstLabel(authority: string): string | undefined {
  const host = authority.slice(authority.lastIndexOf("@") + 1).replace(/:\d*$/, "");
  if (host.startsWith("[") || /^[\d.]+$/.test(host)) return undefined;
  const label = host.split(".", 1)[0]?.toLowerCase();
  return label !== undefined && isServerName(label) ? label : undefined;
}

function invalid(message: string): RpcError {
  return new RpcError(Status.INVALID_ARGUMENT, message, {
    details: [errorInfo("BAD_ROUTING_METADATA", ERROR_DOMAIN)],
  });
}

function unnamed(view: RouteView, where: string): RpcError {
  const { names, more } = shownNames(view);
  const away = names.filter((name) => !view.isOnline(name));
  const list = names.map((name) => away.includes(name) ? `${name} (away)` : name).join(", ") +
    (more > 0 ? ` and ${more} more` : "");
  const known = names.length === 0 ? "No server is registered now" : `Known are: ${list}`;
  return new RpcError(
    Status.INVALID_ARGUMENT,
    `No server is named: put its name into ${where}. ${known}`,
    {
      details: [
        errorInfo("SERVER_NOT_NAMED", ERROR_DOMAIN, {
          servers: names.join(","),
          away: away.join(","),
        }),
      ],
    },
  );
}

function notFound(name: ServerName, view: RouteView): RpcError {
  const near = view.nearest(name);
  const hint = near.length === 0 ? "" : `; near to it are: ${near.join(", ")}`;
  return new RpcError(Status.NOT_FOUND, `Server ${quote(name)} was never here${hint}`, {
    details: [
      errorInfo("SERVER_NOT_FOUND", ERROR_DOMAIN, { server: name, nearest: near.join(",") }),
    ],
  });
}

function offline(name: ServerName, view: RouteView): RpcError {
  const { lastSeenMs, reason } = view.lastSeen(name) ?? { lastSeenMs: 0, reason: "" };
  const lastSeen = new Date(lastSeenMs).toISOString();
  const why = reason === "" ? "" : ` (${reason})`;
  return new RpcError(
    Status.UNAVAILABLE,
    `Server ${quote(name)} is away, last seen ${lastSeen}${why}`,
    {
      details: [
        errorInfo("SERVER_OFFLINE", ERROR_DOMAIN, { server: name, last_seen: lastSeen, reason }),
        retryInfo(RETRY_DELAY_MS),
      ],
    },
  );
}
