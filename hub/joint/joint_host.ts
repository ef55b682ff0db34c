/**
 * What the main thread of a hub does for all of its workers: it writes the audit's one chain, lets servers
 * in at one rate, and remembers servers in one file. How much they use, it reads in their memory.
 *
 * @module
 */
import { comesWithin } from "../../shared/async/deadline.ts";
import type { ReloadPart } from "../../shared/cli/reload.ts";
import type { ThreadChannel } from "../../shared/threads/thread_channel.ts";
import { newVoucherKeys } from "../access/vouchers.ts";
import type { BlockChain } from "../audit/block_chain.ts";
import type { OpenBlock } from "../audit/block.ts";
import { openChain } from "../audit/mod.ts";
import type { HubProgramOptions } from "../hub_options.ts";
import { JointUse } from "../limits/joint_use.ts";
import { Limits, type Usage } from "../limits/limits.ts";
import type { PeerUsage } from "../links/peer_port.ts";
import { type KnownRow, KnownServers } from "../registry/known_servers.ts";
import { MAX_AWAY, MAX_SERVERS } from "../registry/registry.ts";
import { auditPart } from "../reload_parts.ts";
import { HandshakeRate } from "../tunnels/handshake_rate.ts";
import { TUNNEL_PORT } from "../tunnels/tunnel_port_options.ts";
import { JOINT, type JointService, type JointTask } from "./joint.ts";
import { JointLinks } from "./joint_links.ts";
import { type JointMemory, jointMemory } from "./joint_memory.ts";

/** How often what has changed of servers is written. */
const FLUSH_MS = 1_000;
/** What the last blocks of the audit may take at the end. */
const CLOSE_MS = 2_000;
/** Names of which the newest tenure is known: all that can be here, and all that are remembered. */
const MAX_TENURES = MAX_SERVERS + MAX_AWAY;

/** What of the hub's options the main thread looks at. */
export interface JointHostOptions
  extends Pick<HubProgramOptions, "auditLog" | "audit" | "stateDir" | "limits" | "tunnels"> {
  /** A clock in milliseconds that never goes back. @default performance.now */
  readonly now?: () => number;
}

/** The main thread's part of what workers have together. Its files are locked by whoever opens it. */
export class JointHost implements AsyncDisposable {
  /** What each worker is told. */
  readonly task: JointTask;
  readonly #chain: BlockChain | undefined;
  readonly #auditLog: string | undefined;
  readonly #known: KnownServers | undefined;
  readonly #admission: HandshakeRate;
  readonly #use: JointUse;
  readonly #limits: Limits;
  readonly #links: JointLinks;
  readonly #timer: ReturnType<typeof setInterval>;
  /** The last block that is being written. */
  #writing: Promise<unknown> = Promise.resolve();
  /** Name → generation of what was written of it last. */
  readonly #tenures = new Map<string, number>();

  /** @throws {Error} If the audit cannot be opened. */
  constructor(options: JointHostOptions, workers: number) {
    const { auditLog, stateDir, limits, tunnels, now } = options;
    this.#auditLog = auditLog;
    this.#chain = auditLog === undefined ? undefined : openChain(auditLog, options.audit);
    this.#known = stateDir === undefined ? undefined : KnownServers.open(stateDir);
    const { maxHandshakesPerS: perSecond } = { ...TUNNEL_PORT, ...tunnels };
    this.#admission = new HandshakeRate({ perSecond, ...(now && { now }) });
    const memory = jointMemory(workers);
    this.#use = new JointUse(memory.use, workers);
    this.#limits = new Limits(limits, this.#use);
    this.#links = new JointLinks(memory.links, workers);
    this.task = {
      memory,
      workers,
      hasAudit: this.#chain !== undefined,
      admissionsPerSecond: perSecond,
      departures: this.#known?.departures,
      voucherKeys: stateDir === undefined ? newVoucherKeys() : undefined,
    };
    this.#timer = setInterval(() => this.#known?.flush(), FLUSH_MS);
  }

  get memory(): JointMemory {
    return this.task.memory;
  }

  /** Serves one worker. */
  serve(channel: ThreadChannel): void {
    const service: JointService = {
      append: (block) => this.#append(block),
      retryAfterS: (who) => this.#admission.retryAfterS(who),
      know: ({ row, atOnce }) => this.#know(row, atOnce),
    };
    channel.serve(JOINT, { ...service });
  }

  /** What all workers use. */
  usage(): Usage {
    return this.#limits.usage();
  }

  /** What their links to each other are like. */
  get links(): PeerUsage {
    return this.#links.usage;
  }

  /** How many connections each worker has. */
  get workerConnections(): readonly number[] {
    return this.#use.connections;
  }

  /** What can be reloaded of it. */
  get reloadParts(): ReloadPart[] {
    if (this.#chain === undefined || this.#auditLog === undefined) return [];
    return [auditPart(this.#chain, this.#auditLog)];
  }

  /** To be disposed of when all workers have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#known?.[Symbol.dispose]();
    await comesWithin(this.#writing, CLOSE_MS);
    this.#chain?.close();
  }

  /** One after the other, as they come. */
  #append(block: OpenBlock): Promise<void> {
    const writing = this.#writing.then(async () => {
      let lost: unknown;
      await this.#chain?.append(block, (error) => lost = error ?? "unknown");
      if (lost !== undefined) throw lost;
    });
    this.#writing = writing.catch(() => {});
    return writing;
  }

  /** A worker may tell late that a server has left which is at another one by now. */
  #know(row: KnownRow, atOnce: boolean): void {
    const { info: { name }, generation } = row;
    if (generation < (this.#tenures.get(name) ?? 0)) return;
    this.#tenures.delete(name);
    this.#tenures.set(name, generation);
    const [oldest] = this.#tenures.keys();
    if (oldest !== undefined && this.#tenures.size > MAX_TENURES) this.#tenures.delete(oldest);
    this.#known?.write(row, atOnce);
  }
}
