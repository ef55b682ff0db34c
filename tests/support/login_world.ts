/**
 * A provider, a hub whose auth file trusts it, and a folder for logins: all of it in this process.
 *
 * | person | at the hub                        |
 * | ------ | --------------------------------- |
 * | alice  | the operator `alice@corp`         |
 * | others | nobody: the auth file knows none  |
 *
 * @module
 */
import { type Ran, runClient, type RunOptions } from "../../client/testing/fake_hub.ts";
import type { Login } from "../../client/login/login.ts";
import { startHub } from "../../hub/hub.ts";
import type { RunningHub } from "../../hub/hub_options.ts";
import { OidcProvider, type OidcProviderOptions } from "./oidc_provider.ts";
import { PATIENT_CLIENT } from "./process.ts";
import { within } from "./until.ts";

/** Options of {@linkcode LoginWorld.start}. */
export interface LoginWorldOptions extends OidcProviderOptions {
  /** `login` of the issuer in the auth file; empty: the hub tells nothing. */
  readonly login?: string;
}

export class LoginWorld implements AsyncDisposable {
  readonly provider: OidcProvider;
  readonly hub: RunningHub;
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
  /** All that gclient has written. */
  written = "";

  private constructor(init: Pick<LoginWorld, "provider" | "hub" | "dir">) {
    this.provider = init.provider;
    this.hub = init.hub;
    this.dir = init.dir;
    this.env = {
      ...PATIENT_CLIENT,
      XDG_STATE_HOME: `${init.dir}/state`,
      XDG_CONFIG_HOME: `${init.dir}/config`,
    };
  }

  static async start(options: LoginWorldOptions = {}): Promise<LoginWorld> {
    const provider = await OidcProvider.start(options);
    // RFC 8628 lets it choose; a person of a test is quick.
    provider.rewrite = (path, body) => {
      if (path === "/device/auth") body["interval"] = 1;
    };
    const dir = await Deno.makeTempDir({ prefix: "ghub-login-" });
    await Deno.writeTextFile(
      `${dir}/auth.yaml`,
      `version: 1
issuers: [${provider.entry(options.login)}]
operators:
  - id: alice@corp
    jwt: { issuer: corp, claims: { sub: alice } }
    rules: [{ servers: "**", methods: "*", effect: allow }]
`,
      { mode: 0o644 },
    );
    const anywhere = { hostname: "127.0.0.1", port: 0 };
    const hub = await startHub({
      tunnelListen: anywhere,
      callListen: anywhere,
      authFile: `${dir}/auth.yaml`,
    });
    return new LoginWorld({ provider, hub, dir });
  }

  /** Runs gclient; `-s` is there already. */
  async gclient(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const env = { ...this.env, ...options.env };
    const ran = await runClient([...args, "-s", this.hub.callAddress], { ...options, env });
    this.written += ran.all;
    return ran;
  }

  /**
   * Logs in, and lets somebody do what a person does with the address that is shown.
   *
   * @param person Gets the address, once.
   */
  async login(
    args: readonly string[],
    person: (address: string) => Promise<unknown>,
    options: RunOptions = {},
  ): Promise<Ran> {
    let text = "";
    let acted: Promise<unknown> | undefined;
    // Without the person it would wait for ten minutes.
    const lost = new AbortController();
    const signals = [lost.signal, ...options.signal === undefined ? [] : [options.signal]];
    const ran = await this.gclient(["login", ...args], {
      ...options,
      signal: AbortSignal.any(signals),
      onErr: (more) => {
        text += more;
        const address = /^ {2}(http\S+)$/m.exec(text)?.[1];
        if (address === undefined || acted !== undefined) return;
        acted = person(address);
        acted.catch((error) => lost.abort(error));
      },
    });
    await acted;
    return ran;
  }

  /** The files of logins. */
  async files(): Promise<string[]> {
    const folder = `${this.dir}/state/gclient/logins`;
    try {
      const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
      return names.filter((name) => name.endsWith(".json")).map((name) => `${folder}/${name}`);
    } catch {
      return [];
    }
  }

  /** The only login. */
  async kept(): Promise<Login> {
    const [file] = await this.files();
    return JSON.parse(await Deno.readTextFile(file!));
  }

  /** Lets the only login be as old as it is said. */
  async age(ms: number): Promise<void> {
    const [file] = await this.files();
    const login = await this.kept();
    const tokens = { ...login.tokens, gotAtMs: login.tokens.gotAtMs - ms };
    await Deno.writeTextFile(file!, JSON.stringify({ ...login, tokens }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hub.close();
    await within("the hub's end", this.hub.closed);
    await this.provider[Symbol.asyncDispose]();
    await Deno.remove(this.dir, { recursive: true });
  }
}
