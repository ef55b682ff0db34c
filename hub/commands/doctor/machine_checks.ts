/**
 * What lies around a hub: names, clock, open files.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { namesOf } from "../../../shared/doctor/chain.ts";
import type { Check, Finding } from "../../../shared/doctor/check.ts";
import { loadCertificate } from "../../../shared/tls/load.ts";
import { certificateBlocks } from "../../../shared/tls/pem.ts";
import { openFileLimit } from "../../limits/open_files.ts";
import { isThere } from "../serve_config.ts";
import type { ExaminedHub } from "./examined_hub.ts";

/** More names are not looked up. */
const MAX_NAMES = 20;
/** It is there while systemd's own client of NTP has the time of a server. */
const TIMESYNC = "/run/systemd/timesync/synchronized";

export function machineChecks(hub: ExaminedHub): Check[] {
  return [
    { name: "DNS", run: () => namesFinding(hub) },
    { name: "clock", run: () => clockFinding(hub) },
    { name: "open files", run: () => Promise.resolve(openFilesFinding(hub)) },
  ];
}

/** The hub's certificate; one that cannot be read has a check of its own. */
async function leafOf({ values }: ExaminedHub): Promise<X509Certificate | undefined> {
  const { tlsCert, tlsCertFile, tlsKeyFile: keyFile } = values;
  const file = tlsCert ?? tlsCertFile;
  if (file === undefined) return undefined;
  try {
    const { cert } = await loadCertificate(file, { keyFile });
    return new X509Certificate(certificateBlocks(cert)[0]!);
  } catch {
    return undefined;
  }
}

async function namesFinding(hub: ExaminedHub): Promise<Finding | undefined> {
  const all = namesOf((await leafOf(hub))?.subjectAltName)
    .filter((name) => isIP(name) === 0 && !name.startsWith("*"))
    .slice(0, MAX_NAMES);
  if (all.length === 0) return undefined;
  const found = await Promise.all(all.map(async (name) => {
    try {
      const addresses = await lookup(name, { all: true });
      return { name, text: addresses.map(({ address }) => address).join(", ") };
    } catch {
      return { name, text: undefined };
    }
  }));
  const text = found.map(({ name, text = "unknown" }) => `${name} is ${text}`).join("; ");
  if (found.every((one) => one.text !== undefined)) return { text };
  return {
    level: "warn",
    text,
    remedy: "Add the name to DNS: servers and operators dial the names of the certificate",
  };
}

async function clockFinding(hub: ExaminedHub): Promise<Finding> {
  const now = Date.now();
  const isSynchronized = isThere(TIMESYNC);
  const text = `${new Date(now).toISOString()}; ${
    isSynchronized
      ? "systemd-timesyncd keeps it"
      : "what keeps it is not known here (timedatectl may)"
  }`;
  const from = (await leafOf(hub))?.validFrom;
  if (from === undefined || Date.parse(from) <= now) return { text };
  return {
    level: "fail",
    text: `${text}; the certificate is valid only from ${new Date(from).toISOString()} on`,
    remedy: "Set the clock by NTP: either it is behind, or the certificate is not valid yet",
  };
}

/** As the hub shares them: `hub/limits/open_files.ts`. */
function openFilesFinding({ values: { maxHandshakesPerS } }: ExaminedHub): Finding {
  const limit = openFileLimit();
  if (limit === Infinity) return { text: "no limit that the hub could reach soon" };
  const handshakes = Math.floor(limit / 8);
  const text =
    `${limit} may be open here: each server takes one, and operators half of them at most`;
  const remedy = "Raise the limit: LimitNOFILE=65536 in the unit, or ulimit -n";
  if (handshakes >= maxHandshakesPerS) return { level: "warn", text, remedy };
  return {
    level: "fail",
    text: `${text}; --max-handshakes-per-second is ${maxHandshakesPerS}, and ${handshakes} ` +
      "handshakes may go on at a time",
    remedy,
  };
}
