/**
 * A socket that a test holds the other end of. For tests.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { turns as loop } from "../../shared/async/turns.ts";
import type { Socket } from "../peer/socket_pump.ts";

type Waiting<T> = PromiseWithResolvers<T>;

/** Takes what is written when `takes` says so; gives what `feed()` was given. */
export class FakeSocket implements Socket {
  /** Everything that was written. */
  readonly written: Uint8Array[] = [];
  /** Bytes of each write, in order. */
  readonly writes: number[] = [];
  reads = 0;
  closed = false;
  halfClosed = false;
  /** At most this many bytes of each write are taken; 0 lets writes wait. */
  takes = Infinity;
  onWrite: () => void = () => {};
  #input: (Uint8Array | null)[] = [];
  #reader: { readonly into: Uint8Array; readonly done: Waiting<number | null> } | undefined;
  #writer: { readonly bytes: Uint8Array; readonly done: Waiting<number> } | undefined;

  /** The peer sends bytes, or ends its half. */
  feed(bytes: Uint8Array | null): void {
    this.#input.push(bytes);
    this.#pump();
  }

  /** The peer reads again. */
  take(bytes = Infinity): void {
    this.takes = bytes;
    const writer = this.#writer;
    if (writer === undefined || bytes === 0) return;
    this.#writer = undefined;
    writer.done.resolve(this.#accept(writer.bytes));
  }

  /** The connection breaks. */
  fail(error: Error): void {
    this.#reader?.done.reject(error);
    this.#writer?.done.reject(error);
    this.#reader = this.#writer = undefined;
  }

  get output(): Buffer {
    return Buffer.concat(this.written);
  }

  read(into: Uint8Array): Promise<number | null> {
    this.reads++;
    if (this.closed) return Promise.reject(new Deno.errors.BadResource("Closed"));
    const done = Promise.withResolvers<number | null>();
    this.#reader = { into, done };
    this.#pump();
    return done.promise;
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.closed) return Promise.reject(new Deno.errors.BadResource("Closed"));
    if (this.takes > 0) return Promise.resolve(this.#accept(bytes));
    const done = Promise.withResolvers<number>();
    this.#writer = { bytes, done };
    return done.promise;
  }

  closeWrite(): Promise<void> {
    if (this.closed) return Promise.reject(new Deno.errors.BadResource("Closed"));
    this.halfClosed = true;
    return Promise.resolve();
  }

  close(): void {
    if (this.closed) throw new Deno.errors.BadResource("Closed twice");
    this.closed = true;
    this.fail(new Deno.errors.BadResource("Closed"));
  }

  #accept(bytes: Uint8Array): number {
    const taken = bytes.slice(0, Math.min(bytes.length, this.takes));
    this.written.push(taken);
    this.writes.push(taken.length);
    this.onWrite();
    return taken.length;
  }

  #pump(): void {
    const next = this.#input[0];
    if (this.#reader === undefined || next === undefined) return;
    const { into, done } = this.#reader;
    this.#reader = undefined;
    this.#input.shift();
    if (next === null) return done.resolve(null);
    const fits = next.subarray(0, into.length);
    into.set(fits);
    if (fits.length < next.length) this.#input.unshift(next.subarray(fits.length));
    done.resolve(fits.length);
  }
}

/** Lets everything happen that needs no timer and no I/O. */
export async function turns(count = 50): Promise<void> {
  await microtasks(count);
  // Who has done much waits for the next turn of the event loop, one after the other.
  await loop.next();
  await microtasks(count);
}

/** Lets go on what waits for no timer and no socket; no timer fires meanwhile. */
export async function microtasks(count = 50): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}
