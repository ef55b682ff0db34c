/**
 * The values of a cluster's keys, as JSON, so that `etcdctl get --prefix /ghub/` shows them to a person.
 * Another hub wrote them, perhaps one of another version: what is not as it should be is no record.
 *
 * @module
 */
import { type FlapHistory, NO_TURNS } from "../registry/flap_rule.ts";
import type { ServerInfo } from "../registry/tunnel.ts";
import type { HubRecord } from "./view.ts";

/** A value that is longer is no record. */
export const MAX_RECORD_BYTES = 64 << 10;

/** A tunnel at a hub. */
export interface PlaceRecord {
  readonly tunnel: string;
  readonly info: ServerInfo;
  readonly owner: string;
  readonly sinceMs: number;
  readonly epoch: number;
  /** Absent where it is the generation of the transaction that wrote this. */
  readonly generation?: number;
}

/** How a name went away. */
export interface LeftRecord {
  readonly atMs: number;
  readonly reason: string;
  readonly hub: string;
  /** Its last tunnel had said that another one takes its place at once. */
  readonly isRenewing?: true;
}

/** Which instance has a name. */
export interface NameRecord {
  readonly info: ServerInfo;
  readonly owner: string;
  /** The session of the hub where it registered. */
  readonly session: string;
  /** That hub's name. */
  readonly hub: string;
  readonly sinceMs: number;
  readonly epoch: number;
  /** When the tenure began; absent where it is the generation of the transaction that wrote this. */
  readonly tenure?: number;
  readonly flap: FlapHistory;
  readonly flaps: number;
  readonly left?: LeftRecord;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Any record, as a value. */
export function encodeRecord(record: object): Uint8Array {
  return encoder.encode(JSON.stringify(record));
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: Uint8Array): Fields | undefined {
  if (value.length > MAX_RECORD_BYTES) return undefined;
  try {
    return object(JSON.parse(decoder.decode(value)));
  } catch {
    return undefined;
  }
}

/** @returns `undefined` for a value that is no such record; the same below. */
export function decodeHub(session: string, value: Uint8Array): HubRecord | undefined {
  const fields = fieldsOf(value);
  if (fields === undefined) return undefined;
  const { name, peerAddress, version, protocol, state, sinceMs, fingerprints } = fields;
  if (typeof name !== "string" || typeof protocol !== "number") return undefined;
  return {
    session,
    name,
    peerAddress: text(peerAddress),
    version: text(version),
    protocol,
    state: state === "draining" ? "draining" : "open",
    sinceMs: number(sinceMs),
    fingerprints: texts(fingerprints),
  };
}

export function decodePlace(name: string, value: Uint8Array): PlaceRecord | undefined {
  const fields = fieldsOf(value);
  const info = infoOf(name, fields?.["info"]);
  if (fields === undefined || info === undefined) return undefined;
  const { tunnel, owner, sinceMs, epoch, generation } = fields;
  return {
    tunnel: text(tunnel),
    info,
    owner: text(owner),
    sinceMs: number(sinceMs),
    epoch: number(epoch),
    ...(typeof generation === "number" && { generation }),
  };
}

export function decodeName(name: string, value: Uint8Array): NameRecord | undefined {
  const fields = fieldsOf(value);
  const info = infoOf(name, fields?.["info"]);
  if (fields === undefined || info === undefined) return undefined;
  const { owner, session, hub, sinceMs, epoch, tenure, flap, flaps, left } = fields;
  const gone = object(left);
  return {
    info,
    owner: text(owner),
    session: text(session),
    hub: text(hub),
    sinceMs: number(sinceMs),
    epoch: number(epoch),
    ...(typeof tenure === "number" && { tenure }),
    flap: historyOf(object(flap)),
    flaps: number(flaps),
    ...(gone !== undefined && {
      left: {
        atMs: number(gone["atMs"]),
        reason: text(gone["reason"]),
        hub: text(gone["hub"]),
        ...(gone["isRenewing"] === true && { isRenewing: true as const }),
      },
    }),
  };
}

/** A number from 1 on, or 0. */
export function decodeEpoch(value: Uint8Array | undefined): number {
  const digits = value === undefined ? "" : decoder.decode(value);
  return /^[1-9]\d{0,3}$/.test(digits) ? Number(digits) : 0;
}

export function encodeEpoch(epoch: number): Uint8Array {
  return encoder.encode(String(epoch));
}

function infoOf(name: string, value: unknown): ServerInfo | undefined {
  const fields = object(value);
  if (fields === undefined) return undefined;
  const { labels, instance, version, remoteAddress } = fields;
  return {
    name,
    labels: texts(labels),
    instance: text(instance),
    version: text(version),
    remoteAddress: text(remoteAddress),
  };
}

function historyOf(fields: Fields | undefined): FlapHistory {
  const turns = fields?.["turns"];
  if (fields === undefined || !Array.isArray(turns)) return NO_TURNS;
  const seen = fields["contenderSeenMs"];
  return {
    turns: turns.map(object).filter((turn) => turn !== undefined).map((turn) => ({
      atMs: number(turn["atMs"]),
      displaced: text(turn["displaced"]),
    })),
    ...(typeof seen === "number" && { contenderSeenMs: seen }),
  };
}

function object(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Fields
    : undefined;
}

const text = (value: unknown): string => typeof value === "string" ? value : "";
const number = (value: unknown): number => Number.isFinite(value) ? value as number : 0;

function texts(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(object(value) ?? {});
  return Object.fromEntries(entries.filter(([, one]) => typeof one === "string")) as Record<
    string,
    string
  >;
}
