/**
 * What keeps namespaces for a test: they are gone when it is.
 *
 * @module
 */
import { within } from "./until.ts";

/** A shell script that holds namespaces for as long as its standard input is open. */
export class NamespaceHolder implements AsyncDisposable {
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<void>;

  private constructor(child: Deno.ChildProcess, pid: number, read: Promise<void>) {
    this.#child = child;
    this.pid = pid;
    this.#read = read;
  }

  /**
   * Resolves when the script has written the number of its process: `pid 42`. What else it writes is read
   * and forgotten.
   */
  static async start(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<NamespaceHolder> {
    const [command = "", ...rest] = args;
    const child = new Deno.Command(command, {
      args: rest,
      env,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const read = (async () => {
      let text = "";
      for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
        text = (text + chunk).slice(-1000);
        const found = /^pid (\d+)$/m.exec(text);
        if (found !== null) resolve(Number(found[1]));
      }
      reject(new Error(`Cannot set namespaces up: ${args.join(" ")}\n${text}`));
    })();
    return new NamespaceHolder(child, await within(`namespaces of ${args.at(-1)}`, promise), read);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close().catch(() => {}); // It may have ended.
    await within("the end of namespaces", this.#child.status);
    await this.#read;
  }
}
