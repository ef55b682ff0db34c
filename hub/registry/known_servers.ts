/**
 * What the hub knows of its servers, over its own restarts: a small SQLite file in the state folder.
 *
 *     registry ──event──▶ dirty names ──new ones at once, else each second──▶ servers.db
 *     registry ◀──────────────── at start: all of them, as away ───────── servers.db
 *
 * A server that was here when the hub died was last seen when the hub was last alive. So the file
 * holds that time too, and nothing is written for servers that just stay.
 *
 * The file is a memory, not a duty: a hub that cannot read or write it says so and serves.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { type Departure, MAX_AWAY, type RegistryEvent } from "./registry.ts";
import type { ServerName, Tunnel } from "./tunnel.ts";

/** In the state folder. SQLite keeps two more files beside it while the hub runs. */
export const KNOWN_SERVERS_FILE = "servers.db";
/** How exactly the file knows when the hub was last alive. */
const ALIVE_EVERY_MS = 5_000;
/** Names written per flush; the others wait for the next one. A thousand take two milliseconds. */
const MAX_PER_FLUSH = 1_000;
/** Between two complaints that the file cannot be written. */
const COMPLAIN_EVERY_MS = 60_000;

/**
 * `NORMAL` with a write-ahead log: a killed hub loses nothing, a power failure the last moments,
 * and neither the file.
 */
const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA busy_timeout = 1000;
  CREATE TABLE IF NOT EXISTS server (
    name TEXT PRIMARY KEY,
    labels TEXT NOT NULL,
    instance TEXT NOT NULL,
    version TEXT NOT NULL,
    remote_address TEXT NOT NULL,
    generation INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    flaps INTEGER NOT NULL,
    rtt_ms REAL,
    online INTEGER NOT NULL,
    owner TEXT NOT NULL DEFAULT ''
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS hub (alive_ms INTEGER NOT NULL) STRICT;
`;

/** What a file of version 0.1.0 does not have. */
const OWNER_COLUMN = "ALTER TABLE server ADD COLUMN owner TEXT NOT NULL DEFAULT ''";

/**
 * Which names are kept that are away: of each owner the last ones, so that nobody who registers many
 * has those of others forgotten.
 */
const TRIM = `
  DELETE FROM server WHERE online = 0 AND name NOT IN (
    SELECT name FROM (
      SELECT name, last_seen_ms,
        row_number() OVER (PARTITION BY owner ORDER BY last_seen_ms DESC) AS place
      FROM server WHERE online = 0
    ) ORDER BY place, last_seen_ms DESC LIMIT ?
  ) AND (SELECT count(*) FROM server WHERE online = 0) > ?`;

/** Why a server is away that was here when the hub ended. */
const HUB_ENDED = "The hub ended";

/** What is written of a name: it is here, or how it left. */
export interface KnownRow extends Departure {
  readonly online: boolean;
}

export interface KnownServersOptions {
  /** Names kept that are away. @default MAX_AWAY */
  readonly max?: number;
  /** @default Date.now */
  readonly now?: () => number;
}

/** What the file must know of the registry. `Registry` fits. */
export interface DepartureView {
  departure(name: ServerName): Departure | undefined;
  pick(name: ServerName): Tunnel | undefined;
}

/** What remembers the servers that the hub knows. */
export interface ServerMemory extends Disposable {
  /** Who was known at the start, the one that left first at the front. */
  readonly departures: readonly Departure[];
  /** To be told what happens in the registry, after it has. */
  onChange(event: RegistryEvent, registry: DepartureView): void;
  /** To be called once a second. */
  flush(): void;
}

/** The servers that the hub knows, kept in a file over its restarts. */
export class KnownServers implements ServerMemory {
  readonly departures: readonly Departure[];
  readonly #db: DatabaseSync;
  readonly #upsert: StatementSync;
  readonly #alive: StatementSync;
  readonly #max: number;
  readonly #now: () => number;
  readonly #dirty = new Map<ServerName, KnownRow>();
  #sinceTrim = 0;
  #aliveMs = -Infinity;
  #complainedMs = -Infinity;

  private constructor(db: DatabaseSync, { max = MAX_AWAY, now = Date.now }: KnownServersOptions) {
    this.#db = db;
    this.#max = max;
    this.#now = now;
    db.exec(SCHEMA);
    const columns = db.prepare("SELECT name FROM pragma_table_info('server')").all();
    if (!columns.some(({ name }) => name === "owner")) db.exec(OWNER_COLUMN);
    this.#upsert = db.prepare(
      "INSERT OR REPLACE INTO server VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    );
    this.#alive = db.prepare("INSERT INTO hub VALUES (?)");
    const alive = db.prepare("SELECT max(alive_ms) AS ms FROM hub").get()?.["ms"];
    db.prepare(
      "UPDATE server SET online = 0, reason = ?, last_seen_ms = max(last_seen_ms, ?) WHERE online = 1",
    )
      .run(HUB_ENDED, Number(alive ?? 0));
    this.#trim();
    this.departures = db.prepare("SELECT * FROM server ORDER BY last_seen_ms").all().map(
      toDeparture,
    );
  }

  /**
   * Opens the file, and makes it if it is not there. One that is damaged is renamed.
   *
   * @returns `undefined` if there can be no file; the log says why.
   */
  static open(stateDir: string, options: KnownServersOptions = {}): KnownServers | undefined {
    const path = `${stateDir}/${KNOWN_SERVERS_FILE}`;
    const log = getLogger(["hub", "known"]);
    try {
      return KnownServers.#open(path, options);
    } catch (error) {
      if (!isDamaged(error)) {
        log.warn("Cannot remember servers in {path}: {error}", { path, error });
        return undefined;
      }
      log.warn("{path} is damaged and was renamed to {path}.broken: {error}", { path, error });
    }
    try {
      Deno.renameSync(path, `${path}.broken`);
      for (const rest of ["-wal", "-shm"]) removeIfThere(path + rest);
      return KnownServers.#open(path, options);
    } catch (error) {
      log.warn("Cannot remember servers in {path}: {error}", { path, error });
      return undefined;
    }
  }

  static #open(path: string, options: KnownServersOptions): KnownServers {
    // SQLite would make it readable for all, and gives its other files the permissions of this one.
    Deno.openSync(path, { create: true, append: true, mode: 0o600 }).close();
    const db = new DatabaseSync(path);
    try {
      return new KnownServers(db, options);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  onChange(event: RegistryEvent, registry: DepartureView): void {
    const row = knownRowOf(event, registry);
    if (row !== undefined) this.write(row, event.type === "added");
  }

  /** Writes a row; at once, or with the next flush. */
  write(row: KnownRow, atOnce: boolean): void {
    this.#dirty.set(row.info.name, row);
    // At once (20 µs): a hub that is killed a moment later must not have forgotten a new name.
    if (atOnce) this.flush();
  }

  /** Writes what has changed. To be called once a second; it takes milliseconds, and never throws. */
  flush(): void {
    const nowMs = this.#now();
    const aliveIsOld = nowMs - this.#aliveMs >= ALIVE_EVERY_MS;
    if (this.#dirty.size === 0 && !aliveIsOld) return;
    const rows = [...this.#dirty.values()].slice(0, MAX_PER_FLUSH);
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      try {
        for (const row of rows) this.#write(row);
        this.#sinceTrim += rows.length;
        if (this.#sinceTrim >= MAX_PER_FLUSH) this.#trim();
        this.#db.exec("DELETE FROM hub");
        this.#alive.run(Math.round(nowMs));
        this.#db.exec("COMMIT");
      } catch (error) {
        // With a full disk SQLite has done that itself.
        if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
        throw error;
      }
      this.#aliveMs = nowMs;
      for (const row of rows) {
        if (this.#dirty.get(row.info.name) === row) this.#dirty.delete(row.info.name);
      }
    } catch (error) {
      if (nowMs - this.#complainedMs < COMPLAIN_EVERY_MS) return;
      this.#complainedMs = nowMs;
      getLogger(["hub", "known"]).warn("Cannot remember servers: {error}", { error });
    }
  }

  /** Writes all that is left, and closes the file. */
  [Symbol.dispose](): void {
    this.#aliveMs = -Infinity; // Alive until now.
    this.flush();
    for (let size = Infinity; this.#dirty.size > 0 && this.#dirty.size < size;) {
      size = this.#dirty.size;
      this.flush();
    }
    this.#db.close();
  }

  #write({ info, generation, owner, lastSeenMs, reason, flaps, rttMs, online }: KnownRow): void {
    this.#upsert.run(
      info.name,
      JSON.stringify(info.labels),
      info.instance,
      info.version,
      info.remoteAddress,
      generation,
      Math.round(lastSeenMs),
      reason,
      flaps ?? 0,
      rttMs ?? null,
      online ? 1 : 0,
      owner ?? "",
    );
  }

  #trim(): void {
    this.#sinceTrim = 0;
    this.#db.prepare(TRIM).run(this.#max, this.#max);
  }
}

/** What is to be written after something has happened in the registry. */
export function knownRowOf(event: RegistryEvent, registry: DepartureView): KnownRow | undefined {
  const { name } = event.type === "flapping" ? event.holder : event.tunnel.info;
  const here = registry.pick(name);
  const left = registry.departure(name);
  if (here !== undefined) return present(here, left);
  return left && { ...left, online: false };
}

function present(tunnel: Tunnel, left: Departure | undefined): KnownRow {
  return {
    info: tunnel.info,
    generation: tunnel.generation,
    owner: tunnel.owner ?? "",
    lastSeenMs: tunnel.stats().lastSeenMs,
    reason: "",
    ...(left?.flaps === undefined ? {} : { flaps: left.flaps }),
    online: true,
  };
}

function toDeparture(row: Record<string, SQLOutputValue>): Departure {
  const text = (column: string) => String(row[column]);
  const rttMs = row["rtt_ms"];
  return {
    info: {
      name: text("name"),
      labels: JSON.parse(text("labels")),
      instance: text("instance"),
      version: text("version"),
      remoteAddress: text("remote_address"),
    },
    generation: Number(row["generation"]),
    owner: text("owner"),
    lastSeenMs: Number(row["last_seen_ms"]),
    reason: text("reason"),
    flaps: Number(row["flaps"]),
    ...(rttMs === null ? {} : { rttMs: Number(rttMs) }),
  };
}

/** SQLITE_CORRUPT and SQLITE_NOTADB, or a table of another shape. */
function isDamaged(error: unknown): boolean {
  const message = error instanceof Error ? error.message : "";
  return /malformed|not a database|no such column|has \d+ columns|disk image|SyntaxError|JSON/i
    .test(message);
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
