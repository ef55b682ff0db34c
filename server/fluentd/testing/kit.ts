/**
 * A service over a real gRPC connection, with a directory of its own, for tests.
 *
 * @module
 */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { join } from "node:path";
import { deadline } from "../../../shared/async/deadline.ts";
import { delay } from "../../../shared/async/delay.ts";
import { RpcError } from "../../../shared/grpc/rpc_error.ts";
import type { Status } from "../../../shared/grpc/status.ts";
import { peerHost } from "../../../shared/grpc_js/implementation.ts";
import { pauseMs } from "../../../tests/support/until.ts";
import { type FluentdHandle, type FluentdOptions, fluentdService } from "../mod.ts";
import { FluentdClient } from "./client.ts";
import { knownPlugins } from "./known_plugins.ts";

/** No fact that a test waits for may take longer, on the slowest machine. */
const FACT_MS = 240_000;
/** No end of a service. */
const CLOSE_MS = 60_000;
/** No story: one that hangs must fail with its name, not take the whole run with it. */
const STORY_MS = 900_000;

/** A directory that is removed in the end. */
export async function tempDir(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "ghub-fluentd-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Waits until `look` gives something. */
export async function until<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
): Promise<Awaited<T>> {
  const beganMs = performance.now();
  for (;;) {
    const fact = await look();
    if (fact !== undefined && fact !== false) return fact;
    const waitedMs = performance.now() - beganMs;
    assert.ok(waitedMs < FACT_MS, `Never seen: ${what}`);
    await delay(pauseMs(waitedMs));
  }
}

/** A service and a client of it. */
export class TestService extends FluentdClient implements AsyncDisposable {
  readonly #handle: FluentdHandle;
  readonly #server: Server;

  private constructor(handle: FluentdHandle, server: Server, address: string) {
    super(address);
    this.#handle = handle;
    this.#server = server;
  }

  /** @param listen In gRPC's syntax: `host:port`, or `unix:/path`. */
  static async open(options: FluentdOptions, listen = "127.0.0.1:0"): Promise<TestService> {
    const handle = await fluentdService(options);
    const server = new Server();
    peerHost(server).addService("fluentd.v1.Fluentd", handle.implementation);
    const bound = Promise.withResolvers<number>();
    server.bindAsync(
      listen,
      ServerCredentials.createInsecure(),
      (error, port) => error === null ? bound.resolve(port) : bound.reject(error),
    );
    const port = await bound.promise;
    return new TestService(handle, server, listen.replace(/:0$/, `:${port}`));
  }

  /** As a gserver that is told to end while calls are under way. */
  async interrupt(): Promise<void> {
    await this.#handle.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.tryShutdown(() => resolve());
    await deadline(promise, CLOSE_MS, { what: "end of the gRPC server" });
    await deadline(this.#handle.close(), CLOSE_MS, { what: "end of the service" });
  }
}

/** One Fluentd with its config file; whatever is left of it is killed in the end. */
export class TestFluentd implements AsyncDisposable {
  readonly dir: string;
  #options: Partial<FluentdOptions>;
  #service: TestService | undefined;

  private constructor(dir: string, options: Partial<FluentdOptions>) {
    this.dir = dir;
    this.#options = options;
  }

  static async open(config: string, options: Partial<FluentdOptions>): Promise<TestFluentd> {
    const dir = await Deno.makeTempDir({ prefix: "ghub-fluentd-" });
    const fluentd = new TestFluentd(dir, options);
    await fluentd.write(config);
    await fluentd.reopen();
    return fluentd;
  }

  get configPath(): string {
    return join(this.dir, "fluent.conf");
  }

  get stateDir(): string {
    return join(this.dir, "state");
  }

  get service(): TestService {
    assert.ok(this.#service, "the service is open");
    return this.#service;
  }

  write(config: string): Promise<void> {
    return Deno.writeTextFile(this.configPath, config);
  }

  /** Closes the service and opens it again, as a restart of gserver would. */
  async reopen(options: Partial<FluentdOptions> = {}): Promise<void> {
    this.#options = { ...this.#options, ...options };
    await this.#service?.[Symbol.asyncDispose]();
    const { configPath, stateDir } = this;
    this.#service = undefined;
    const all: FluentdOptions = {
      manager: "spawn",
      schemas: knownPlugins(this.#options.command ?? ["fluentd"]),
      configPath,
      stateDir,
      ...this.#options,
    };
    // A process that another story starts has all our files open until it has become its program.
    this.#service = await until("a state folder that nobody uses", async () => {
      try {
        return await TestService.open(all);
      } catch (error) {
        if (!/another gserver uses it/.test(String(error))) throw error;
        return undefined;
      }
    });
  }

  /** Ends the service without waiting for calls under way; `reopen` opens it again. */
  async interrupt(): Promise<void> {
    await this.#service?.interrupt();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#service === undefined) await this.reopen();
    try {
      await this.service.stop({ wait: { seconds: 5 }, forceAfter: true });
    } finally {
      await this.service[Symbol.asyncDispose]();
      await Deno.remove(this.dir, { recursive: true });
    }
  }
}

/** Asserts that the call is refused with this status and reason, and gives the error. */
export async function refused(
  call: Promise<unknown>,
  status: keyof typeof Status,
  reason: string,
): Promise<RpcError> {
  const error = await call.then(
    (response) => assert.fail(`Answered ${JSON.stringify(response)}`),
    (error: unknown) => error,
  );
  assert.ok(error instanceof RpcError, String(error));
  const [info] = error.details.filter(({ type }) => type === "google.rpc.ErrorInfo");
  assert.deepEqual(
    [error.toString().split(":")[0], (info?.value as { reason?: string })?.reason],
    [status, reason],
    error.message,
  );
  return error;
}

/** A part of a test that stands alone: with its own directory and ports. */
export type Story = () => Promise<void>;

/** More would only wait for the processor, and then for too long. */
const STORIES_AT_ONCE = 5;

/** With both errors where a disposal failed because of, or after, another one. */
function stackOf(error: unknown): string {
  if (error instanceof SuppressedError) {
    return `${stackOf(error.suppressed)}\nand then, at disposal: ${stackOf(error.error)}`;
  }
  return error instanceof Error ? error.stack ?? error.message : String(error);
}

/**
 * Tells stories that mostly wait side by side, the first ones first. Not steps: steps at the
 * same time would need the leak sanitizers to be off.
 *
 * @throws {AggregateError} If some fail; each is named.
 */
export async function together(stories: Record<string, Story>): Promise<void> {
  const waiting = Object.entries(stories);
  const errors: Error[] = [];
  const tell = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [name, story] = next;
      try {
        await deadline(story(), STORY_MS, { what: "story" });
      } catch (error) {
        errors.push(new Error(`${name}: ${stackOf(error)}`));
      }
    }
  };
  await Promise.all(Array.from({ length: STORIES_AT_ONCE }, tell));
  if (errors.length > 0) {
    throw new AggregateError(errors, errors.map(({ message }) => message).join("\n\n"));
  }
}

/** Who works on one row sets this to the beginning of its name: `--filter` begins all of them. */
const ONLY = "GHUB_STORY";

/**
 * Tells stories side by side, each as a test of its own: the first test begins them all. So they
 * have no leak sanitizers, which would take one's connections for another's; `together` has.
 */
export function eachAsTest(
  stories: Record<string, Story>,
  { ignore }: { readonly ignore: boolean },
): void {
  const only = Deno.env.get(ONLY) ?? "";
  const names = Object.keys(stories).filter((name) => name.startsWith(only));
  let results: Map<string, Promise<void>> | undefined;
  const begin = () => {
    const told = new Map(names.map((name) => [name, Promise.withResolvers<void>()]));
    const waiting = [...told];
    const tell = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [name, { resolve, reject }] = next;
        await deadline(stories[name]!(), STORY_MS, { what: "story" }).then(resolve, reject);
      }
    };
    for (const { promise } of told.values()) promise.catch(() => {});
    for (let i = 0; i < STORIES_AT_ONCE; i++) void tell();
    return new Map([...told].map(([name, { promise }]) => [name, promise]));
  };
  for (const name of names) {
    Deno.test({
      name,
      ignore,
      sanitizeOps: false,
      sanitizeResources: false,
      fn: () => (results ??= begin()).get(name),
    });
  }
}
