/**
 * A login by device code (RFC 8628): gclient shows an address and a code, a person opens the address on
 * any machine that has a browser, and gclient asks again and again whether that has happened.
 *
 *     device code ─▶ show address and code ─▶ wait ─▶ ask ─ pending, slow down ─▶ wait …
 *                                                     ├ tokens
 *                                                     └ denied, or too late
 *
 * @module
 */
import { delay } from "../../shared/async/delay.ts";
import type { Tokens } from "./login.ts";
import { LoginError } from "./login_error.ts";
import type { DeviceCode, Provider } from "./provider.ts";

/** RFC 8628 §3.5: "the interval MUST be increased by 5 seconds". */
const SLOWER_MS = 5_000;
/** Neither of these is left to the provider: a code is typed soon or never, and asked for gently. */
const MIN_INTERVAL_MS = 1_000;
const MAX_INTERVAL_MS = 60_000;
/** A provider that fails this often one after the other is not asked again. */
const MAX_FAILURES = 5;

/** Options of {@linkcode deviceLogin}. */
export interface DeviceLoginOptions {
  /** Shows the code to a person. */
  readonly show: (code: DeviceCode) => Promise<void>;
  readonly signal: AbortSignal;
  /** @default {delay} */
  readonly wait?: (ms: number, options: { readonly signal: AbortSignal }) => Promise<void>;
}

/**
 * The tokens, as soon as a person has confirmed the code.
 *
 * @throws {LoginError} If that was denied, or not done in time, or the provider is gone.
 * @throws `signal.reason`, as soon as the signal fires.
 */
export async function deviceLogin(
  provider: Pick<Provider, "issuer" | "requestDeviceCode" | "pollDeviceCode">,
  { show, signal, wait = delay }: DeviceLoginOptions,
): Promise<Tokens> {
  const code = await provider.requestDeviceCode(signal);
  await show(code);
  let intervalMs = Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, code.intervalMs));
  let failures = 0;
  let leftMs = code.lifetimeMs;
  while (leftMs > intervalMs) {
    await wait(intervalMs, { signal });
    leftMs -= intervalMs;
    try {
      const answer = await provider.pollDeviceCode(code.deviceCode, signal);
      failures = 0;
      if (answer === "slow down") intervalMs += SLOWER_MS;
      else if (answer !== "pending") return answer;
    } catch (error) {
      const mayPass = error instanceof LoginError && error.reason === "unreachable";
      if (!mayPass || ++failures >= MAX_FAILURES) throw error;
    }
  }
  throw new LoginError("The code was not confirmed in time", { hint: "Run it again" });
}
