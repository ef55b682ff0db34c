/**
 * What a hub tells another one with each call that it forwards (docs/protocol.md §15.2): fields that
 * are the same from call to call, so that both hubs work them out once.
 *
 *     x-hub-peer-server      which server; absent for the other hub's own services
 *     x-hub-peer-generation  of the tunnel whose labels were judged: another one must not get the call
 *     x-hub-peer-operator    who calls, and
 *     x-hub-peer-how           how that was proven,
 *     x-hub-peer-subject       in the words of its credential,
 *     x-hub-peer-until         until when (milliseconds since 1970)
 *
 * From anybody but a hub they count for nothing, and no server ever sees them.
 *
 * @module
 */
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import type { Field, HeaderList } from "../../shared/http2/header_list.ts";
import type { ProofKind } from "../../shared/vouchers/voucher.ts";
import type { Forwarding } from "../peer/call_target.ts";
import type { ServerName } from "../registry/tunnel.ts";

const PREFIX = "x-hub-peer-";
const SERVER = `${PREFIX}server`;
const GENERATION = `${PREFIX}generation`;
const OPERATOR = `${PREFIX}operator`;
const HOW = `${PREFIX}how`;
const SUBJECT = `${PREFIX}subject`;
const UNTIL = `${PREFIX}until`;

/** How a hub opens a raw connection at a server, and so for a caller of another hub. */
export const RAW_PATH = "/ghub.v1.Tunnel/Connect";
/** Which upstream of the server it is for. */
export const UPSTREAM_FIELD = "x-hub-upstream";

const KINDS: readonly ProofKind[] = ["loopback", "token", "jwt", "certificate"];
const NUMBER = /^\d{1,16}$/;

/** Who calls, as a hub tells another one. */
export interface ForwardedOperator {
  readonly name: string;
  readonly how: ProofKind;
  readonly subject?: string;
  /** `Date.now()` at which its credential is no longer good. */
  readonly expiresAtMs?: number;
}

/** What a hub asks of another one with a call. */
export interface ForwardedHead {
  readonly operator: ForwardedOperator;
  /** `undefined` for the hub's own services. */
  readonly to: { readonly server: ServerName; readonly generation: number } | undefined;
}

/** Whether a field is one between hubs. */
export function isPeerField(name: string): boolean {
  return name.startsWith(PREFIX);
}

/**
 * Which server a raw connection asks for: one to an upstream goes over its server's tunnel, and needs a
 * permission of its own.
 */
export function rawServerOf(
  server: ServerName,
  { fields }: { readonly fields: HeaderList },
): ServerName {
  const upstream = fields.find(([name]) => name === UPSTREAM_FIELD)?.[1];
  return upstream === undefined ? server : `${server}/${upstream}`;
}

/** @param to Where the call goes; absent for the other hub's own services. */
export function peerFields(
  { name, how, subject, expiresAtMs }: ForwardedOperator,
  to?: Pick<Forwarding, "server" | "generation">,
): Field[] {
  const fields: Field[] = [[OPERATOR, textIn(name)], [HOW, how]];
  if (to !== undefined) fields.push([SERVER, to.server], [GENERATION, String(to.generation)]);
  if (subject !== undefined) fields.push([SUBJECT, textIn(subject)]);
  if (Number.isFinite(expiresAtMs)) fields.push([UNTIL, String(Math.trunc(expiresAtMs!))]);
  return fields;
}

/** Reads what another hub has written; an error for what it cannot have. */
export function readPeerFields(fields: HeaderList): ForwardedHead | RpcError {
  const values = new Map<string, string>();
  for (const [name, value] of fields) {
    if (!isPeerField(name)) continue;
    if (values.has(name)) return malformed(name);
    values.set(name, value);
  }
  const name = textOf(values.get(OPERATOR));
  const how = KINDS.find((kind) => kind === values.get(HOW));
  const server = values.get(SERVER);
  const generation = numberOf(values.get(GENERATION));
  const subject = textOf(values.get(SUBJECT));
  const expiresAtMs = numberOf(values.get(UNTIL));
  if (!name) return malformed(OPERATOR);
  if (how === undefined) return malformed(HOW);
  if (server !== undefined && generation === undefined) return malformed(GENERATION);
  if (values.has(SUBJECT) && subject === undefined) return malformed(SUBJECT);
  if (values.has(UNTIL) && expiresAtMs === undefined) return malformed(UNTIL);
  return {
    operator: {
      name,
      how,
      ...(subject !== undefined && { subject }),
      ...(expiresAtMs !== undefined && { expiresAtMs }),
    },
    to: server === undefined ? undefined : { server, generation: generation! },
  };
}

/** A credential's words may be no text at all: half a character must not be a fault. */
function textIn(value: string): string {
  return encodeURIComponent(value.toWellFormed());
}

function textOf(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  try {
    return decodeURIComponent(value);
  } catch {
    return undefined;
  }
}

function numberOf(value: string | undefined): number | undefined {
  return value !== undefined && NUMBER.test(value) ? Number(value) : undefined;
}

function malformed(field: string): RpcError {
  return new RpcError(
    Status.INVALID_ARGUMENT,
    `The other hub sent no ${field} that can be read: the two do not speak the same protocol`,
  );
}
