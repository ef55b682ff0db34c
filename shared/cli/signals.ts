/**
 * SIGINT and SIGTERM as an AbortSignal, and what they mean for the exit code; SIGHUP for programs that ask for it.
 *
 * @module
 */

/** Signal → exit code, as shells report it: 128 + the signal's number. */
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

type Name = keyof typeof EXIT_CODES;

/** Why a program's `signal` fired. */
export class SignalError extends Error {
  override readonly name = "SignalError";
  readonly exitCode: number;

  constructor(signal: Name) {
    super(`Got ${signal}`);
    this.exitCode = EXIT_CODES[signal];
  }
}

export interface SignalsOptions {
  /** Called at each signal but the first, and at the first when it returns `true` for it. */
  readonly exit: (code: number) => void;
  /** Is anybody there who ends in an orderly way? If not, the first signal exits at once. */
  readonly handled: () => boolean;
}

/** Signals of this process. */
export interface Signals extends Disposable {
  /** Fires at SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /**
   * Has `reload` called at each SIGHUP. Without it SIGHUP ends the process, as it does by itself;
   * and with it `signal` fires when it was the process's terminal that went away.
   */
  onHangup(reload: () => void): void;
}

/** Listens until disposed. */
export function listenToSignals({ exit, handled }: SignalsOptions): Signals {
  const controller = new AbortController();
  const listeners: (readonly [Name, () => void])[] = [];
  const listen = (name: Name, listener: () => void) => {
    if (name !== "SIGINT" && Deno.build.os === "windows") return;
    Deno.addSignalListener(name, listener);
    listeners.push([name, listener]);
  };
  const end = (name: Name) => {
    const first = !controller.signal.aborted;
    controller.abort(new SignalError(name));
    if (!first || !handled()) exit(EXIT_CODES[name]);
  };
  listen("SIGINT", () => end("SIGINT"));
  listen("SIGTERM", () => end("SIGTERM"));
  return {
    signal: controller.signal,
    onHangup(reload) {
      const hadTerminal = Deno.stdin.isTerminal();
      listen("SIGHUP", () => hadTerminal && !Deno.stdin.isTerminal() ? end("SIGHUP") : reload());
    },
    [Symbol.dispose]() {
      for (const [name, listener] of listeners) Deno.removeSignalListener(name, listener);
    },
  };
}
