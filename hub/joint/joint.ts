/**
 * What all workers of one hub have together, as one of them uses it.
 *
 *     counts, places, rates     in memory that all share: at once and exact (joint_memory.ts)
 *     audit, admission, memory  by messages to the main thread (joint_host.ts)
 *     of servers
 *
 * A hub with one loop has none of this.
 *
 * @module
 */
import { FairShare, type Places } from "../../shared/async/fair_share.ts";
import type { SharedLock } from "../../shared/memory/shared_lock.ts";
import { SharedPlaces } from "../../shared/memory/shared_places.ts";
import { SharedTally } from "../../shared/memory/shared_tally.ts";
import type { Remote, ThreadChannel } from "../../shared/threads/thread_channel.ts";
import type { VoucherKeys } from "../access/vouchers.ts";
import type { OpenBlock } from "../audit/block.ts";
import type { BlockWriter } from "../audit/block_chain.ts";
import { NO_AUDIT } from "../audit/mod.ts";
import type { Audit } from "../audit/record.ts";
import { AuditWriter, MAX_BUFFERED_BYTES } from "../audit/writer.ts";
import type { JointGuesses } from "../auth/throttle.ts";
import { JointUse } from "../limits/joint_use.ts";
import { JointRefusedCalls } from "../limits/refused_calls.ts";
import type { MakePlaces } from "../limits/open_files.ts";
import { MAX_ACTIVITY_WATCHERS } from "../observe/activity_feed.ts";
import type { PeerUsage } from "../links/peer_port.ts";
import type { JointLog } from "../observe/event_log.ts";
import {
  type DepartureView,
  type KnownRow,
  knownRowOf,
  type ServerMemory,
} from "../registry/known_servers.ts";
import {
  type Departure,
  type JointServers,
  MAX_WAITERS,
  type RegistryEvent,
} from "../registry/registry.ts";
import type { AdmissionRate } from "../tunnels/handshake_rate.ts";
import { JointLinks } from "./joint_links.ts";
import { filesLock, type JointMemory, type TallyName } from "./joint_memory.ts";

/** The name of the main thread's service. */
export const JOINT = "joint";

/** What the main thread does for all workers. */
export interface JointService {
  /** Writes a block of the audit; the error says why it is lost. */
  append(block: OpenBlock): Promise<void>;
  /** See `AdmissionRate.retryAfterS`. */
  retryAfterS(who: string): number | undefined;
  /** Writes down what is known of a server. */
  know(known: { readonly row: KnownRow; readonly atOnce: boolean }): void;
}

/** What a worker is told at its start. */
export interface JointTask {
  readonly memory: JointMemory;
  /** How many workers there are. */
  readonly workers: number;
  /** Whether an audit is kept. */
  readonly hasAudit: boolean;
  readonly admissionsPerSecond: number;
  /** Who was known at the start; `undefined` where nothing is remembered. */
  readonly departures: readonly Departure[] | undefined;
  /** What all workers sign vouchers with; `undefined` where the state folder has the keys. */
  readonly voucherKeys: VoucherKeys | undefined;
}

/** One worker's part. */
export class Joint {
  readonly audit: Audit;
  readonly use: JointUse;
  readonly makePlaces: MakePlaces;
  readonly refusedCalls: JointRefusedCalls;
  readonly guesses: JointGuesses;
  readonly servers: JointServers;
  readonly watchers: Places;
  readonly log: JointLog;
  readonly admission: AdmissionRate;
  readonly known: ServerMemory | undefined;
  readonly voucherKeys: (() => VoucherKeys) | undefined;
  /** To be told once a second of its links to the others. */
  readonly tellLinks: (usage: PeerUsage | undefined) => void;
  readonly #memory: JointMemory;
  readonly #files: SharedLock;

  /** @param number Of the worker, from 1. */
  constructor(task: JointTask, number: number, channel: ThreadChannel) {
    const { memory, workers, hasAudit, admissionsPerSecond: perSecond, departures } = task;
    const remote = channel.to<JointService>(JOINT);
    this.#memory = memory;
    this.#files = filesLock(memory);
    this.audit = hasAudit
      ? new AuditWriter(new PostedBlocks(remote), {
        maxBufferedBytes: MAX_BUFFERED_BYTES / workers,
      })
      : NO_AUDIT;
    this.use = new JointUse(memory.use, number - 1);
    this.makePlaces = (kind, total) =>
      Number.isFinite(total) ? this.#places(kind, total) : new FairShare(total);
    this.refusedCalls = new JointRefusedCalls(this.#tally("refusedCalls"));
    this.guesses = { full: this.#tally("guesses"), held: this.#tally("heldGuesses") };
    this.servers = { held: this.#tally("servers"), waiting: this.#places("waiting", MAX_WAITERS) };
    this.watchers = this.#places("watchers", MAX_ACTIVITY_WATCHERS);
    this.log = { refusedLines: this.#tally("refusedLines") };
    this.admission = { perSecond, retryAfterS: (who) => remote.ask("retryAfterS", who) };
    const { voucherKeys } = task;
    this.voucherKeys = voucherKeys && (() => voucherKeys);
    const links = new JointLinks(memory.links, workers);
    this.tellLinks = (usage) => usage && links.tell(number, usage);
    this.known = departures && new PostedServers(remote, departures);
  }

  /** Does what no other worker does at the same time: it makes files that are missing. */
  alone<T>(work: () => T): T {
    this.#files.lock();
    try {
      return work();
    } finally {
      this.#files.unlock();
    }
  }

  #tally(name: TallyName): SharedTally {
    return new SharedTally(this.#memory.tallies[name]);
  }

  #places(name: TallyName, total: number): Places {
    return new SharedPlaces(this.#tally(name), total);
  }
}

/** The chain of the audit, which the main thread writes. */
class PostedBlocks implements BlockWriter {
  readonly #remote: Remote<JointService>;

  constructor(remote: Remote<JointService>) {
    this.#remote = remote;
  }

  async append({ bytes, prevAt }: OpenBlock, onLost: (error: unknown) => void): Promise<void> {
    try {
      // A copy of the part that is used: what is sent is the whole buffer.
      await this.#remote.ask("append", { bytes: bytes.slice(), prevAt });
    } catch (error) {
      onLost(error);
    }
  }
}

/** What is remembered of servers, which the main thread writes down. */
class PostedServers implements ServerMemory {
  readonly departures: readonly Departure[];
  readonly #remote: Remote<JointService>;

  constructor(remote: Remote<JointService>, departures: readonly Departure[]) {
    this.#remote = remote;
    this.departures = departures;
  }

  onChange(event: RegistryEvent, registry: DepartureView): void {
    const row = knownRowOf(event, registry);
    if (row !== undefined) this.#remote.tell("know", { row, atOnce: event.type === "added" });
  }

  flush(): void {}

  [Symbol.dispose](): void {}
}
