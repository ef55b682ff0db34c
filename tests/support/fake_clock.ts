/**
 * A wall clock that a test sets while a process runs: libfaketime in front of the C library.
 * Clocks that only go forward are not touched, as they are not when an administrator sets the time.
 *
 * @module
 */

/** Where Debian and its like put it. */
const FOLDERS = ["/usr/lib", "/usr/lib64", "/lib"];
const NAME = "faketime/libfaketimeMT.so.1";

/** The library; `undefined` where the package `faketime` is not installed. */
export function findLibFaketime(): string | undefined {
  const triple = `${Deno.build.arch}-linux-gnu`;
  return FOLDERS.flatMap((folder) => [`${folder}/${triple}/${NAME}`, `${folder}/${NAME}`])
    .find((path) => {
      try {
        return Deno.statSync(path).isFile;
      } catch {
        return false;
      }
    });
}

/** One clock, for each process that is started with its environment. */
export class FakeClock implements Disposable {
  readonly #file = Deno.makeTempFileSync({ prefix: "clock-" });
  readonly #library: string;
  /** How far it is from the true one now. */
  offsetS = 0;

  constructor(library: string) {
    this.#library = library;
    this.set(0);
  }

  /** For the processes that are to live by it. */
  get env(): Record<string, string> {
    return {
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** Sets it to so many seconds before or behind the true time. */
  set(offsetS: number): void {
    // By another file in its place: half of a text must never be read.
    const next = `${this.#file}.next`;
    Deno.writeTextFileSync(next, `${offsetS < 0 ? "" : "+"}${offsetS}\n`);
    Deno.renameSync(next, this.#file);
    this.offsetS = offsetS;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#file);
  }
}
