/**
 * Tells whether a Fluentd collects without asking anybody who could be wrong: it sends a record to each
 * input and looks for it in the files of the output, and reads `/proc` for the processes.
 *
 * @module
 */
import { join } from "node:path";
import { deadline } from "../../shared/async/deadline.ts";
import { delay } from "../../shared/async/delay.ts";
import {
  listStats,
  type ProcessInfo,
  readEnv,
  readProcesses,
} from "../../server/fluentd/system/proc.ts";

const LOOK_MS = 50;

/** An input of the Fluentd that is judged, on 127.0.0.1. */
export interface Input {
  readonly type: "tcp" | "http" | "forward";
  readonly port: number;
  /** The one worker that has it; all have it without. */
  readonly worker?: number;
}

export interface JudgeOptions {
  readonly inputs: readonly Input[];
  /** Where the output writes its files. */
  readonly outDir: string;
  /** Where the spawn manager remembers its mark. */
  readonly stateDir: string;
}

/** Living processes of one Fluentd by their part. */
export interface Living {
  readonly supervisors: readonly ProcessInfo[];
  readonly workers: readonly ProcessInfo[];
}

export class FluentdJudge {
  readonly #options: JudgeOptions;

  constructor(options: JudgeOptions) {
    this.#options = options;
  }

  /** Inputs of which a record does not arrive within `ms`; none of a Fluentd that collects. */
  async deaf(ms: number): Promise<string[]> {
    const { inputs } = this.#options;
    const arrives = await Promise.all(inputs.map((input) => this.#arrives(input, ms)));
    return inputs.filter((_, i) => !arrives[i]).map(({ type, port, worker }) =>
      `${type} ${port}` + (worker === undefined ? "" : ` of worker ${worker}`)
    );
  }

  async #arrives(input: Input, ms: number): Promise<boolean> {
    const token = crypto.randomUUID();
    try {
      // An input that takes a connection and no record is as good as closed.
      await deadline(SEND[input.type](input.port, token), ms, { what: "record" });
    } catch {
      return false;
    }
    for (const signal = AbortSignal.timeout(ms); !signal.aborted;) {
      if (await this.#hasArrived(token)) return true;
      await delay(LOOK_MS);
    }
    return false;
  }

  async #hasArrived(token: string): Promise<boolean> {
    const { outDir } = this.#options;
    for await (const { name, isFile } of Deno.readDir(outDir)) {
      if (isFile && (await Deno.readTextFile(join(outDir, name))).includes(token)) return true;
    }
    return false;
  }

  /** What lives, by the mark that all its processes inherit. */
  async living(): Promise<Living> {
    const { mark } = JSON.parse(
      await Deno.readTextFile(join(this.#options.stateDir, "fluentd.json")),
    );
    const pids: number[] = [];
    for (const { pid } of await listStats()) {
      if (await readEnv(pid, "GHUB_FLUENTD_ID") === mark) pids.push(pid);
    }
    const all = (await readProcesses(pids)).filter(({ argv }) => argv.length > 0);
    const workers = all.filter(({ argv }) => argv.includes("--under-supervisor"));
    return { workers, supervisors: all.filter((process) => !workers.includes(process)) };
  }
}

async function sendBytes(port: number, bytes: Uint8Array): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(bytes);
}

/** A short string of MessagePack. */
function packed(text: string): number[] {
  return [0xd9, text.length, ...new TextEncoder().encode(text)];
}

/** How a record gets into each input. */
const SEND: Readonly<Record<Input["type"], (port: number, token: string) => Promise<void>>> = {
  tcp: (port, token) => sendBytes(port, new TextEncoder().encode(`${token}\n`)),
  async http(port, token) {
    const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    try {
      const response = await fetch(`http://127.0.0.1:${port}/walk`, {
        client,
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ message: token }),
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`in_http answered ${response.status}`);
    } finally {
      client.close();
    }
  },
  forward(port, token) {
    const seconds = Math.floor(Date.now() / 1000);
    const time = [24, 16, 8, 0].map((bits) => (seconds >>> bits) & 0xff);
    const record = [0x81, ...packed("message"), ...packed(token)];
    return sendBytes(port, Uint8Array.from([0x93, ...packed("walk"), 0xce, ...time, ...record]));
  },
};
