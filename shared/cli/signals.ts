/**
 * SIGINT and SIGTERM as an AbortSignal, and what they mean for the exit code.
 *
 * @module
 */

/** Signal → exit code, as shells report it: 128 + the signal's number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

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

/** Listens until disposed. */
export function listenToSignals({ exit, handled }: SignalsOptions): Disposable & {
  readonly signal: AbortSignal;
} {
  const controller = new AbortController();
  const names = (Object.keys(EXIT_CODES) as Name[])
    .filter((name) => name === "SIGINT" || Deno.build.os !== "windows");
  const listeners = names.map((name) => {
    const listener = () => {
      const first = !controller.signal.aborted;
      controller.abort(new SignalError(name));
      if (!first || !handled()) exit(EXIT_CODES[name]);
    };
    Deno.addSignalListener(name, listener);
    return [name, listener] as const;
  });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const [name, listener] of listeners) Deno.removeSignalListener(name, listener);
    },
  };
}
