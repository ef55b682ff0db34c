/**
 * What a program's heap says of itself, by the inspector of V8: the program needs nothing for it.
 *
 * @see https://chromedevtools.github.io/devtools-protocol/v8/
 * @module
 */

const ANSWER_WITHIN_MS = 60_000;

/** What a program holds, after everything was collected that nobody needs. */
export interface Held {
  /** Objects of JavaScript. */
  readonly heapBytes: number;
  /** What their ArrayBuffers hold. */
  readonly bufferBytes: number;
  /** Deno's resources: sockets, listeners, files, signals, timers of the system. */
  readonly handles: number;
}

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly chunk?: string };
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

interface HeapSnapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[];
      readonly node_types: readonly (readonly string[])[];
    };
  };
  readonly nodes: readonly number[];
  readonly strings: readonly string[];
}

/** A session with a program that was started with `--inspect`. */
export class Inspector implements Disposable {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #chunks: string[] = [];
  #nextId = 1;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#received(JSON.parse(data));
    socket.onclose = () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("The program has ended"));
    };
  }

  /** @param url What the program wrote to stderr: `ws://127.0.0.1:…`. */
  static async connect(url: string): Promise<Inspector> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error(`Cannot reach the inspector at ${url}`));
    });
    return new Inspector(socket);
  }

  /** Collects all garbage, and tells what is left. */
  async held(): Promise<Held> {
    await this.#ask("HeapProfiler.collectGarbage");
    const { usedSize, backingStorageSize } = await this.#ask("Runtime.getHeapUsage") as {
      readonly usedSize: number;
      readonly backingStorageSize: number;
    };
    const { result } = await this.#ask("Runtime.evaluate", {
      expression: "Object.keys(Deno[Deno.internal].core.resources()).length",
      returnByValue: true,
    }) as { readonly result: { readonly value: number } };
    return { heapBytes: usedSize, bufferBytes: backingStorageSize, handles: result.value };
  }

  /** How many objects of each class are reachable. It stops the program for some seconds. */
  async objects(): Promise<Map<string, number>> {
    this.#chunks = [];
    await this.#ask("HeapProfiler.takeHeapSnapshot", { reportProgress: false });
    const { snapshot, nodes, strings }: HeapSnapshot = JSON.parse(this.#chunks.join(""));
    this.#chunks = [];
    const { node_fields: fields, node_types: [types] } = snapshot.meta;
    const [type, name] = [fields.indexOf("type"), fields.indexOf("name")];
    const object = types!.indexOf("object");
    const counts = new Map<string, number>();
    for (let at = 0; at < nodes.length; at += fields.length) {
      if (nodes[at + type] !== object) continue;
      const key = strings[nodes[at + name]!]!;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return counts;
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  async #ask(method: string, params = {}): Promise<unknown> {
    const id = this.#nextId++;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    const timer = setTimeout(
      () => answer.reject(new Error(`No answer to ${method} in ${ANSWER_WITHIN_MS} ms`)),
      ANSWER_WITHIN_MS,
    );
    try {
      this.#socket.send(JSON.stringify({ id, method, params }));
      return await answer.promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  #received({ id, method, params, result, error }: Answer): void {
    if (method === "HeapProfiler.addHeapSnapshotChunk") this.#chunks.push(params?.chunk ?? "");
    const waiting = this.#waiting.get(id ?? 0);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error.message));
  }
}
