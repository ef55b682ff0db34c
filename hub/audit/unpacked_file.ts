/**
 * A file that may have been packed: gzip is read as if it were not, any other packing is named. What
 * it is, its first bytes tell and not its name.
 *
 * @module
 */
import { createGunzip } from "node:zlib";

/** What is read piece by piece. */
export interface PlainFile extends Disposable {
  /** `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
}

/** Name of the packing → the bytes that such a file begins with, and what unpacks it. */
const PACKINGS = [
  { name: "gzip", magic: [0x1f, 0x8b], unpack: "gzip -d" },
  { name: "zstd", magic: [0x28, 0xb5, 0x2f, 0xfd], unpack: "zstd -d" },
  { name: "xz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], unpack: "xz -d" },
  { name: "bzip2", magic: [0x42, 0x5a, 0x68], unpack: "bzip2 -d" },
  { name: "LZ4", magic: [0x04, 0x22, 0x4d, 0x18], unpack: "lz4 -d" },
] as const;

const LONGEST_MAGIC = Math.max(...PACKINGS.map(({ magic }) => magic.length));

/** @throws {Error} If it cannot be opened, or is packed with something else than gzip. */
export async function openPlain(path: string): Promise<PlainFile> {
  const file = await Deno.open(path);
  try {
    const packing = packingOf(await firstBytes(file));
    await file.seek(0, Deno.SeekMode.Start);
    if (packing === undefined) return file;
    if (packing.name === "gzip") return new GzipFile(file);
    throw new Error(`it is packed with ${packing.name}: unpack it first (${packing.unpack})`);
  } catch (error) {
    file.close();
    throw error;
  }
}

function packingOf(first: Uint8Array): typeof PACKINGS[number] | undefined {
  return PACKINGS.find(({ magic }) => magic.every((byte, i) => first[i] === byte));
}

async function firstBytes(file: Deno.FsFile): Promise<Uint8Array> {
  const first = new Uint8Array(LONGEST_MAGIC);
  let length = 0;
  while (length < first.length) {
    const n = await file.read(first.subarray(length));
    if (n === null) break;
    length += n;
  }
  return first.subarray(0, length);
}

/** Unpacks as it is read: it holds one piece, however well its text could be packed. */
class GzipFile implements PlainFile {
  readonly #file: Deno.FsFile;
  readonly #gunzip = createGunzip();
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece = new Uint8Array();

  constructor(file: Deno.FsFile) {
    this.#file = file;
    this.#pieces = this.#gunzip[Symbol.asyncIterator]();
    void this.#feed();
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#piece.length === 0) {
      const next = await this.#pieces.next().catch((error: Error) => {
        throw new Error(`its gzip data is damaged or cut off (${error.message})`, { cause: error });
      });
      if (next.done) return null;
      this.#piece = new Uint8Array(next.value);
    }
    const n = Math.min(into.length, this.#piece.length);
    into.set(this.#piece.subarray(0, n));
    this.#piece = this.#piece.subarray(n);
    return n;
  }

  [Symbol.dispose](): void {
    this.#gunzip.destroy();
    this.#file.close();
  }

  async #feed(): Promise<void> {
    try {
      const buffer = new Uint8Array(64 * 1024);
      for (let n; (n = await this.#file.read(buffer)) !== null;) {
        const wrote = Promise.withResolvers<void>();
        this.#gunzip.write(
          buffer.slice(0, n),
          (error) => error ? wrote.reject(error) : wrote.resolve(),
        );
        await wrote.promise;
      }
      this.#gunzip.end();
    } catch (error) {
      this.#gunzip.destroy(error as Error);
    }
  }
}
