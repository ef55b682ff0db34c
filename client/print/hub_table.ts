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
import { agoText, durationText, labelsText, nowOf, sizeText, table, timeText } from "./table.ts";

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

/**
 * A row for each server.
 *
 * @param columns Of the terminal; `Infinity` shows all.
 */
export function serversTable(
  { servers = [], now }: ListServersResponse,
  columns: number = Infinity,
): string {
  // Not "none is registered": labels and --all decide what is asked for.
  if (servers.length === 0) return "No server found\n";
  const nowMs = nowOf(now);
  const isOfSeveral = servers.some(({ hubs = [] }) => hubs.length > 0);
  const heads = isOfSeveral ? HEADS.toSpliced(2, 0, "HUBS") : HEADS;
  return table(
    heads,
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
    { columns, giveWay: GIVE_WAY.filter((head) => heads.includes(head)) },
  );
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
