/**
 * The hub's answers as text for people.
 *
 * @module
 */
import type {
  ghub_v1_Activity as Activity,
  ghub_v1_ListHubsResponse as ListHubsResponse,
  ghub_v1_ListServersResponse as ListServersResponse,
} from "../../shared/gen/types.ts";
import { durationMs } from "../../shared/grpc/proto_time.ts";
import { statusName } from "../../shared/grpc/status.ts";
import { printable } from "../../shared/text/printable.ts";
import {
  agoText,
  durationText,
  labelsText,
  list,
  nowOf,
  sizeText,
  table,
  timeText,
} from "./table.ts";

const HEADS = [
  "NAME",
  "STATE",
  "LABELS",
  "VERSION",
  "SINCE",
  "LAST SEEN",
  "RTT",
  "CALLS",
  "FLAPS",
  "LAST CLOSED BECAUSE",
];

/** What a narrow terminal does without, first to last. */
const GIVE_WAY = [
  "LAST CLOSED BECAUSE",
  "FLAPS",
  "SINCE",
  "VERSION",
  "RTT",
  "CALLS",
  "LAST SEEN",
  "LABELS",
  "HUBS",
  "STATE",
];

export interface ServersLayout {
  /** Of the terminal; `Infinity` shows all. @default {Infinity} */
  readonly columns?: number;
  /** Is there a line of heads? @default true */
  readonly heads?: boolean;
}

/** A row for each server. */
export function serversTable(
  { servers = [], now }: ListServersResponse,
  { columns = Infinity, heads = true }: ServersLayout = {},
): string {
  // Not "none is registered": labels and --all decide what is asked for.
  if (servers.length === 0) return heads ? "No server found\n" : "";
  const nowMs = nowOf(now);
  const isOfSeveral = servers.some(({ hubs = [] }) => hubs.length > 0);
  const columnHeads = isOfSeveral ? HEADS.toSpliced(2, 0, "HUBS") : HEADS;
  const text = table(
    columnHeads,
    servers.map((server) => [
      server.name ?? "",
      server.state ?? "",
      ...(isOfSeveral ? [(server.hubs ?? []).join(",")] : []),
      labelsText(server.labels),
      server.version ?? "",
      timeText(server.connectedAt),
      agoText(server.lastSeen, nowMs),
      durationText(durationMs(server.rtt)),
      `${server.callsTotal ?? 0}${server.callsInFlight ? ` (${server.callsInFlight} now)` : ""}`,
      String(server.flaps ?? 0),
      server.lastCloseReason ?? "",
    ]),
    { columns, giveWay: GIVE_WAY.filter((head) => columnHeads.includes(head)) },
  );
  return heads ? text : text.slice(text.indexOf("\n") + 1);
}

/** Everything that the hub knows of one server. */
export function serverText({ servers: [server = {}] = [], now }: ListServersResponse): string {
  const nowMs = nowOf(now);
  const ago = agoText(server.lastSeen, nowMs);
  return list([
    ["name", server.name],
    ["state", server.state ?? "STATE_UNKNOWN"],
    ["labels", labelsText(server.labels)],
    ["version", server.version],
    ["at hubs", server.hubs?.join(", ")],
    ["comes from", server.remoteAddress],
    ["connected since", timeText(server.connectedAt)],
    ["last seen", server.lastSeen && `${timeText(server.lastSeen)} (${ago})`],
    ["round trip", durationText(durationMs(server.rtt))],
    ["calls now", String(server.callsInFlight ?? 0)],
    ["calls in all", String(server.callsTotal ?? 0)],
    ["last closed because", server.lastCloseReason],
    ["fights over its name", server.flaps ? String(server.flaps) : undefined],
    ["registrations", server.generation ? String(server.generation) : undefined],
    ["instance", server.instance],
    ["tunnel", server.tunnelId],
  ]);
}

const HUB_HEADS = ["NAME", "STATE", "LINK", "SERVERS", "VERSION", "SINCE", "ADDRESS", "DIFFERS IN"];
/** What a narrow terminal does without, first to last. */
const HUBS_GIVE_WAY = ["ADDRESS", "SINCE", "VERSION", "SERVERS", "STATE"];

/** A row for each hub of the cluster. */
export function hubsTable(
  { hubs = [] }: ListHubsResponse,
  columns: number = Infinity,
): string {
  return table(
    HUB_HEADS,
    hubs.map((hub) => [
      // A hub that is alone has no name.
      hub.name || "-",
      hub.state ?? "",
      hub.self ? "(answers)" : hub.linked ? "open" : `none: ${hub.linkError || "being dialled"}`,
      String(hub.servers ?? 0),
      hub.version ?? "",
      timeText(hub.since),
      hub.peerAddress ?? "",
      (hub.differingFiles ?? []).join(", "),
    ]),
    { columns, giveWay: HUBS_GIVE_WAY },
  );
}

/** A line for an event. */
export function activityLine(activity: Activity): string {
  const { time, kind, server, method, status, duration, bytesUp, bytesDown, peer } = activity;
  const bytes = bytesUp || bytesDown
    ? `${sizeText(bytesUp ?? 0)} up, ${sizeText(bytesDown ?? 0)} down`
    : "";
  const facts = [
    timeText(time),
    (kind ?? "KIND_UNKNOWN").padEnd(17),
    server,
    method,
    status === undefined ? "" : statusName(status),
    durationText(durationMs(duration)),
    bytes,
    peer && `from ${peer}`,
    activity.hub && `at hub ${activity.hub}`,
    activity.dropped ? `${activity.dropped} events are missing` : "",
    activity.reason && `(${activity.reason})`,
  ];
  return `${printable(facts.filter(Boolean).join("  "))}\n`;
}
