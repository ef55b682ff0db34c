/**
 * What fluentd says of itself through its `monitor_agent` input.
 *
 * @see https://docs.fluentd.org/input/monitor_agent
 * @module
 */
import { Buffer } from "node:buffer";
import http from "node:http";
import type {
  fluentd_v1_BufferTotals as BufferTotals,
  fluentd_v1_Plugin as Plugin,
} from "../../../shared/gen/types.ts";
import { bareHost } from "../../../shared/net/bare_host.ts";
import type { WaitOptions } from "../system/run.ts";

/** The monitor is on this machine: what it does not say at once it will not say. */
const MONITOR_TIMEOUT_MS = 1500;
/** Longer answers are no answer. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** Plugins in an answer. */
const MAX_PLUGINS = 500;

/** `/api/config.json`. */
export interface MonitorIdentity {
  readonly pid: number;
  readonly version?: string;
  readonly configPath?: string;
}

/** `/api/plugins.json`. */
export interface MonitorReport {
  readonly buffers: BufferTotals;
  readonly plugins: Plugin[];
  /** Outputs that have a buffer. */
  readonly outputs: readonly OutputReport[];
}

/** What one output of one worker has not delivered. */
export interface OutputReport {
  readonly worker: number;
  readonly id: string;
  readonly type: string;
  readonly bytes: number;
  /** How often it has failed in a row; 0 while it can deliver. */
  readonly failures: number;
}

export interface MonitorOptions {
  /** How long an answer may take. @default 1500 */
  readonly timeoutMs?: number;
}

type Json = Record<string, unknown>;

/** One monitor_agent at `host:port`; worker n answers on port + n. */
export class Monitor {
  readonly #host: string;
  /** Of worker 0. */
  readonly port: number;
  readonly #timeoutMs: number;

  constructor(address: string, { timeoutMs = MONITOR_TIMEOUT_MS }: MonitorOptions = {}) {
    const { host, port } = parseAddress(address);
    this.#host = host;
    this.port = port;
    this.#timeoutMs = timeoutMs;
  }

  /** Who answers for a worker; `undefined` if nobody does. */
  async identify(worker: number, options: WaitOptions): Promise<MonitorIdentity | undefined> {
    const answer = await this.#get(worker, "/api/config.json", options);
    const { pid, version, config_path: configPath } = (answer ?? {}) as Json;
    if (typeof pid !== "number") return undefined;
    return {
      pid,
      ...(typeof version === "string" ? { version } : {}),
      ...(typeof configPath === "string" ? { configPath } : {}),
    };
  }

  /** Buffers and plugins of these workers together; `undefined` if none of them answers. */
  async report(
    workers: readonly number[],
    options: WaitOptions,
  ): Promise<MonitorReport | undefined> {
    const answers = await Promise.all(workers.map(async (worker) => {
      // Else some versions add each plugin's config, passwords included.
      const answer = await this.#get(worker, "/api/plugins.json?with_config=no", options);
      const { plugins } = (answer ?? {}) as Json;
      return Array.isArray(plugins) ? { worker, plugins: plugins as Json[] } : undefined;
    }));
    const lists = answers.filter((answer) => answer !== undefined);
    if (lists.length === 0) return undefined;
    const all = lists.flatMap(({ plugins }) => plugins);
    return {
      buffers: totals(all),
      plugins: all.slice(0, MAX_PLUGINS).map(toPlugin),
      outputs: lists.flatMap(({ worker, plugins }) =>
        plugins.flatMap((plugin) => toOutput(worker, plugin) ?? [])
      ),
    };
  }

  async #get(worker: number, path: string, { signal }: WaitOptions): Promise<unknown> {
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)]);
      return JSON.parse(await getText(this.#host, this.port + worker, path, limit));
    } catch {
      signal.throwIfAborted();
      // Not there, not it, or too slow: its absence is a fact like another.
      return undefined;
    }
  }
}

/** @throws {SyntaxError} If it is no `host:port`. */
export function parseAddress(address: string): { host: string; port: number } {
  const [, host = "", port = ""] = /^(\[[0-9a-f:.]+\]|[^:/\s@]+):(\d{1,5})$/i.exec(address) ?? [];
  if (host === "" || Number(port) < 1 || Number(port) > 65_535) {
    throw new SyntaxError(
      `Cannot read monitor address "${address}": expected host:port, as in 127.0.0.1:24220`,
    );
  }
  return { host, port: Number(port) };
}

/** Not `fetch`: that would ask the proxy of HTTP_PROXY for what is on this machine. */
function getText(host: string, port: number, path: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const hostname = bareHost(host);
    const options = { hostname, port, path, signal, agent: false };
    http.get(options, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length > MAX_ANSWER_BYTES) response.destroy(new RangeError("The answer is too long"));
        else chunks.push(chunk);
      });
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString());
        else reject(new Error(`The monitor answered ${response.statusCode}`));
      });
    }).on("error", reject);
  });
}

function integer(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? Math.trunc(value) : undefined;
}

function totals(plugins: readonly Json[]): BufferTotals {
  const sum = (member: string) =>
    plugins.reduce((total, plugin) => total + (integer(plugin[member]) ?? 0), 0);
  const ratios = plugins.map((plugin) => plugin.buffer_available_buffer_space_ratios)
    .filter((ratio) => typeof ratio === "number");
  return {
    queuedBytes: sum("buffer_queue_byte_size"),
    stageBytes: sum("buffer_stage_byte_size"),
    queueLength: sum("buffer_queue_length"),
    ...(ratios.length > 0 ? { minAvailableSpaceRatio: Math.min(...ratios) } : {}),
  };
}

function toOutput(worker: number, plugin: Json): OutputReport | undefined {
  const { buffer_total_queued_size: bytes, plugin_id, type, retry } = plugin;
  if (integer(bytes) === undefined) return undefined;
  const { steps } = (retry ?? {}) as Json;
  return {
    worker,
    id: String(plugin_id ?? ""),
    type: String(type ?? ""),
    bytes: integer(bytes) ?? 0,
    // The first retry is step 0, and was a failure before.
    failures: integer(steps) === undefined ? 0 : (integer(steps) ?? 0) + 1,
  };
}

/** Our field → monitor_agent's. */
const COUNTERS = {
  retryCount: "retry_count",
  emitRecords: "emit_records",
  emitBytes: "emit_size",
  bufferQueueLength: "buffer_queue_length",
  bufferTotalQueuedBytes: "buffer_total_queued_size",
} as const satisfies Partial<Record<keyof Plugin, string>>;

function toPlugin(plugin: Json): Plugin {
  const counters = Object.entries(COUNTERS).flatMap(([field, member]) => {
    const value = integer(plugin[member]);
    return value === undefined ? [] : [[field, value]];
  });
  return {
    id: String(plugin.plugin_id ?? ""),
    category: String(plugin.plugin_category ?? ""),
    type: String(plugin.type ?? ""),
    ...Object.fromEntries(counters),
  };
}
