/**
 * A hub with an auth file, servers that witness, and somebody of each kind who wants in. All of it
 * in this process, so that hundreds of attempts take seconds.
 *
 * | operator | may call                                                      |
 * | -------- | ------------------------------------------------------------- |
 * | root     | everything                                                    |
 * | stopper  | everything but Stop of edge-1 and its upstreams               |
 * | reader   | Get… and List of edge-1, edge-2                               |
 * | prod     | everything of what has the label env=prod                     |
 * | lab      | everything of lab-…                                           |
 * | idle     | nothing                                                       |
 * | soc      | everything of edge-2, by JWT with the claim role=soc          |
 *
 * @module
 */
import { createHash } from "node:crypto";
import { SignJWT } from "jose";
import { startHub } from "../../hub/hub.ts";
import type { HubOptions, RunningHub } from "../../hub/hub_options.ts";
import { replaceFile } from "./replace_file.ts";
import { within } from "./until.ts";
import { type Sighting, Witness } from "./witness.ts";

export const OPERATORS = ["root", "stopper", "reader", "prod", "lab", "idle", "soc"] as const;
export type Operator = typeof OPERATORS[number];

/** Names with their labels; the last one is nobody's business but root's, stopper's and prod's. */
export const SERVERS = {
  "edge-1": "env=prod",
  "edge-2": "env=dev",
  "edge-1/payments": "env=prod",
  "lab-1": "env=dev",
  "secret": "env=prod",
} as const;
export type Server = keyof typeof SERVERS;

/** A name that nobody has. */
export const GHOST = "ghosts";

export const GET = "/fluentd.v1.Fluentd/GetStatus";
export const STOP = "/fluentd.v1.Fluentd/Stop";
export const UNARY = "/echo.v1.Echo/Unary";
export const METHODS = [GET, STOP, UNARY] as const;

/** A secret of 43 characters that only its owner has. */
export function tokenOf(who: string): string {
  return `${who}-${createHash("sha256").update(`secret of ${who}`).digest("base64url")}`.slice(
    0,
    43,
  );
}

const ISSUER = "https://id.test";
export const HMAC_SECRET = "hmac-secret-of-the-issuer-under-test-0123456789";

export interface JwtOptions {
  readonly claims?: Record<string, unknown>;
  readonly issuer?: string;
  readonly audience?: string;
  /** Seconds from now. */
  readonly expiresInS?: number | undefined;
  readonly notBeforeInS?: number;
  readonly secret?: string;
  readonly algorithm?: string;
}

/** A JWT of the issuer that the hub knows; each option makes it differ. */
export async function jwt(options: JwtOptions = {}): Promise<string> {
  const { claims = { role: "soc", sub: "alice" }, issuer = ISSUER, audience = "ghub" } = options;
  const { secret = HMAC_SECRET, algorithm = "HS256", notBeforeInS } = options;
  const now = Math.floor(Date.now() / 1000);
  const expiresInS = "expiresInS" in options ? options.expiresInS : 600;
  const token = new SignJWT(claims)
    .setProtectedHeader({ alg: algorithm })
    .setIssuer(issuer)
    .setAudience(audience);
  if (expiresInS !== undefined) token.setExpirationTime(now + expiresInS);
  if (notBeforeInS !== undefined) token.setNotBefore(now + notBeforeInS);
  return await token.sign(new TextEncoder().encode(secret));
}

/** Its hash as it stands in the file. */
export function hashOf(who: string): string {
  return `sha256:${createHash("sha256").update(tokenOf(who)).digest("hex")}`;
}

/** The auth file of this world. */
export function authYaml(): string {
  return `
version: 1
issuers:
  - { id: corp, issuer: "${ISSUER}", audience: ghub, algorithms: [HS256], keysFile: hmac.key, clockSkewS: 0 }
servers:
  - { id: edges, tokens: ["${hashOf("edges")}", "${
    hashOf("edges-next")
  }"], names: [edge-*, edge-*/*], labels: { env: [prod, dev] } }
  - { id: labs, tokens: ["${hashOf("labs")}"], names: [lab-*], labels: { env: dev } }
  - { id: vault, tokens: ["${hashOf("vault")}"], names: [secret], labels: { env: prod } }
  - { id: plants, jwt: { issuer: corp, claims: { role: plant } }, names: ["plant-{sub}"] }
operators:
  - id: root
    tokens: ["${hashOf("root")}"]
    rules: [{ servers: "**", methods: "*", effect: allow }]
  - id: stopper
    tokens: ["${hashOf("stopper")}"]
    rules:
      - { servers: "**", methods: "*", effect: allow }
      - { servers: edge-1, methods: ${STOP}, effect: deny }
  - id: reader
    tokens: ["${hashOf("reader")}"]
    rules: [{ servers: [edge-1, edge-2], methods: [/fluentd.v1.Fluentd/Get*, /fluentd.v1.Fluentd/List], effect: allow }]
  - id: prod
    tokens: ["${hashOf("prod")}"]
    rules: [{ servers: "**", labels: { env: prod }, methods: "*", effect: allow }]
  - id: lab
    tokens: ["${hashOf("lab")}"]
    rules: [{ servers: lab-*, methods: "*", effect: allow }]
  - id: idle
    tokens: ["${hashOf("idle")}"]
    rules: []
  - id: soc
    jwt: { issuer: corp, claims: { role: soc } }
    rules: [{ servers: edge-2, methods: "*", effect: allow }]
  - id: retired
    tokens: [{ sha256: "${hashOf("retired").slice(7)}", expires: 2020-01-01 }]
    rules: [{ servers: "**", methods: "*", effect: allow }]
`;
}

const OWNERS: Record<Server, string> = {
  "edge-1": "edges",
  "edge-2": "edges-next",
  "edge-1/payments": "edges",
  "lab-1": "labs",
  "secret": "vault",
};

/** A hub with an auth file, servers that witness, and callers of each kind, in this process. */
export class AuthWorld implements AsyncDisposable {
  readonly hub: RunningHub;
  readonly dir: string;
  /** What came through, in its order. */
  readonly seen: Sighting[];
  readonly servers: Map<string, Witness>;
  readonly #tokens: ReadonlyMap<string, string>;

  private constructor(
    init: Pick<AuthWorld, "hub" | "dir" | "seen" | "servers"> & { tokens: Map<string, string> },
  ) {
    this.hub = init.hub;
    this.dir = init.dir;
    this.seen = init.seen;
    this.servers = init.servers;
    this.#tokens = init.tokens;
  }

  static async start(
    { servers = Object.keys(SERVERS) as Server[], yaml = authYaml(), options = {} }: {
      readonly servers?: readonly Server[];
      readonly yaml?: string;
      readonly options?: Partial<HubOptions>;
    } = {},
  ): Promise<AuthWorld> {
    const dir = await Deno.makeTempDir({ prefix: "ghub-auth-" });
    await Deno.writeTextFile(`${dir}/hmac.key`, HMAC_SECRET, { mode: 0o600 });
    await Deno.writeTextFile(`${dir}/auth.yaml`, yaml, { mode: 0o644 });
    const anywhere = { hostname: "127.0.0.1", port: 0 };
    const hub = await startHub({
      tunnelListen: anywhere,
      callListen: anywhere,
      authFile: `${dir}/auth.yaml`,
      ...options,
    });
    const seen: Sighting[] = [];
    const tokens = new Map(OPERATORS.map((who) => [who as string, tokenOf(who)]));
    tokens.set("soc", await jwt());
    const world = new AuthWorld({ hub, dir, seen, servers: new Map(), tokens });
    for (const name of servers) {
      const token = tokenOf(OWNERS[name]);
      world.servers.set(name, await world.register(name, { token, labels: SERVERS[name] }));
    }
    return world;
  }

  /** The credential of an operator. */
  token(who: Operator): string {
    return this.#tokens.get(who)!;
  }

  /** Registers a server. */
  register(
    name: string,
    { token, labels, headers = {} }: {
      readonly token?: string | undefined;
      readonly labels?: string;
      readonly headers?: Readonly<Record<string, string>>;
    },
  ): Promise<Witness> {
    return Witness.start({
      uri: this.hub.tunnelAddress,
      name,
      seen: this.seen,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(labels === undefined ? {} : { "x-hub-meta-labels": labels }),
        ...headers,
      },
    });
  }

  /** Puts another auth file in place, in one step. */
  async rewrite(yaml: string): Promise<void> {
    await replaceFile(`${this.dir}/auth.yaml`, yaml, 0o644);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.servers.values()) await server[Symbol.asyncDispose]();
    this.hub.close();
    await within("the hub's end", this.hub.closed);
    await Deno.remove(this.dir, { recursive: true });
  }
}
