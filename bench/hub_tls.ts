/**
 * The ways in which a hub of a bench speaks TLS, and the certificates for them.
 *
 * @module
 */
import { generateCertificate } from "../shared/tls/generate.ts";

/** Which ports speak TLS; `asking`: both, and clients are asked for certificates. */
export const SETUPS = ["plain", "tunnel", "both", "asking"] as const;
export type Setup = typeof SETUPS[number];

/** What the columns of a table say of each. */
export const SETUP_NAMES: Readonly<Record<Setup, string>> = {
  plain: "plain",
  tunnel: "TLS tunnel",
  both: "TLS both",
  asking: "TLS both, asking",
};

/** A certificate for 127.0.0.1 in a folder of its own, which disposing removes. */
export class BenchTls implements AsyncDisposable {
  /** PEM. */
  readonly ca: string;
  readonly #dir: string;

  private constructor(ca: string, dir: string) {
    this.ca = ca;
    this.#dir = dir;
  }

  static async make(): Promise<BenchTls> {
    const { cert, key } = await generateCertificate(["127.0.0.1"]);
    const dir = await Deno.makeTempDir({ prefix: "ghub-bench-tls-" });
    await Deno.writeTextFile(`${dir}/hub.crt`, cert);
    await Deno.writeTextFile(`${dir}/hub.key`, key, { mode: 0o600 });
    return new BenchTls(cert, dir);
  }

  /** The file of `ca`. */
  get caFile(): string {
    return `${this.#dir}/hub.crt`;
  }

  /** Arguments of `ghub serve`. */
  args(setup: Setup): string[] {
    if (setup === "plain") return [];
    return [
      ...["--tls-cert", this.caFile],
      ...(setup === "tunnel" ? [] : ["--call-tls"]),
      ...(setup === "asking" ? ["--client-ca", this.caFile] : []),
    ];
  }

  /** Flags of Deno for a program that dials such a hub. */
  get flags(): string[] {
    return ["--cert", this.caFile];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#dir, { recursive: true });
  }
}
