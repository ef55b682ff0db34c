/**
 * Lets bytes through when they begin with the preface of HTTP/2 (RFC 9113 §3.4), and not one of them
 * otherwise: an upstream that speaks HTTP/1 as well must not be reached in it.
 *
 * @module
 */
import { PREFACE } from "../../shared/http2/frames.ts";

/** One direction of a connection, from its first byte on. */
export class PrefaceCheck {
  readonly #onBroken: (why: string) => void;
  /** Bytes of the preface that came and were right. */
  #have = 0;
  #broken = false;

  constructor(onBroken: (why: string) => void) {
    this.#onBroken = onBroken;
  }

  /** Takes the next bytes, and returns those that go on. */
  pass(bytes: Uint8Array): Uint8Array[] {
    if (this.#broken) return [];
    if (this.#have === PREFACE.length) return [bytes];
    let at = 0;
    while (this.#have < PREFACE.length && at < bytes.length) {
      if (bytes[at++] === PREFACE[this.#have++]) continue;
      this.#broken = true;
      this.#onBroken("It does not begin with the preface of HTTP/2");
      return [];
    }
    if (this.#have < PREFACE.length) return [];
    return at < bytes.length ? [PREFACE.slice(), bytes.subarray(at)] : [PREFACE.slice()];
  }
}
