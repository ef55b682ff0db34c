/**
 * The secrets of a run, and where they are found although they should not be.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** A line of a key file that is long enough to be the key, or a part of it. */
const KEY_LINE = /^[\w+/=-]{40,}$/gm;
/** Larger files are not written in a test. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

/** The secrets of a run, and the search for them where they must not be. */
export class Secrets {
  /** Secret → how it is called. */
  readonly #names = new Map<string, string>();
  /** Files that hold one because it is their purpose. */
  readonly #homes = new Set<string>();
  readonly #found: string[] = [];

  get count(): number {
    return this.#names.size;
  }

  add(name: string, secret: string): void {
    this.#names.set(secret, name);
  }

  /** A file that is a secret, or a private key. */
  async addFile(path: string): Promise<void> {
    const text = await Deno.readTextFile(path);
    const lines = text.match(KEY_LINE) ?? [];
    if (lines.length === 0) throw new Error(`Cannot find a secret in ${path}`);
    for (const line of lines) this.add(path, line);
    this.#homes.add(path);
  }

  /** Looks for all of them, as they are and in other clothes. */
  look(where: string, text: string): void {
    for (const [secret, name] of this.#names) {
      const bytes = Buffer.from(secret);
      const forms = [
        secret,
        encodeURIComponent(secret),
        bytes.toString("hex"),
        // Its middle, wherever in a longer text it stood: three bytes become four letters.
        ...[0, 1, 2].map((skip) => bytes.subarray(skip).toString("base64").slice(0, -4)),
      ];
      if (forms.some((form) => text.includes(form))) this.#found.push(`${name} in ${where}`);
    }
  }

  /** Looks into all files below a folder but those that are there for a secret. */
  async lookBelow(folder: string): Promise<void> {
    for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
      const path = `${folder}/${name}`;
      if (isDirectory) await this.lookBelow(path);
      else if (isFile && !this.#homes.has(path)) {
        const { size } = await Deno.stat(path);
        if (size > MAX_FILE_BYTES) throw new Error(`${path} is larger than expected`);
        this.look(path, new TextDecoder("latin1").decode(await Deno.readFile(path)));
      }
    }
  }

  /** Where one was found. */
  get found(): readonly string[] {
    return this.#found;
  }
}
