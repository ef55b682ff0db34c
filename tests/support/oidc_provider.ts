/**
 * A real OpenID provider (npm `oidc-provider`), and a person with a browser in front of it.
 *
 * ```ts ignore
 * await using provider = await OidcProvider.start();
 * await new Person().confirmDevice(address);
 * ```
 *
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Provider } from "oidc-provider";

export const CLIENT_ID = "gclient";
/** What tokens for the hub have as `aud`. */
export const AUDIENCE = "https://hub.test";

/** What the provider's own requests and answers are to a test. */
interface KoaContext {
  readonly path: string;
  readonly method: string;
  readonly oidc?: { readonly route?: string; readonly params?: Record<string, unknown> };
  status: number;
  body: unknown;
}

/** Options of {@linkcode OidcProvider.start}. */
export interface OidcProviderOptions {
  /** Of access and ID tokens. @default 3600 */
  readonly lifetimeS?: number;
  /** @default true */
  readonly deviceFlow?: boolean;
  /** @default true */
  readonly revocation?: boolean;
}

/** It runs until it is disposed of. */
export class OidcProvider implements AsyncDisposable {
  readonly issuer: string;
  readonly #server: Server;
  /** Routes that were asked: `token`, `device_authorization`, `revocation`, … */
  readonly asked: string[] = [];
  /** What a request is answered in the place of the provider; `undefined` lets it through. */
  intercept: (
    path: string,
  ) => { readonly status: number; readonly body: unknown } | undefined = () => undefined;
  /** Changes an answer that the provider has given. */
  rewrite: (path: string, body: Record<string, unknown>) => void = () => {};

  private constructor(issuer: string, server: Server) {
    this.issuer = issuer;
    this.#server = server;
  }

  static async start(options: OidcProviderOptions = {}): Promise<OidcProvider> {
    const { lifetimeS = 3600, deviceFlow = true, revocation = true } = options;
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const provider = new Provider(issuer, {
      clients: [{
        client_id: CLIENT_ID,
        token_endpoint_auth_method: "none",
        application_type: "native",
        redirect_uris: ["http://127.0.0.1/callback"],
        grant_types: [
          "authorization_code",
          "refresh_token",
          ...deviceFlow ? ["urn:ietf:params:oauth:grant-type:device_code"] : [],
        ],
        response_types: ["code"],
      }],
      cookies: { keys: ["a key of tests"] },
      ttl: {
        AccessToken: lifetimeS,
        IdToken: lifetimeS,
        DeviceCode: 600,
        Grant: 3600,
        Session: 3600,
      },
      features: {
        devInteractions: { enabled: true },
        deviceFlow: { enabled: deviceFlow },
        revocation: { enabled: revocation },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => AUDIENCE,
          useGrantedResource: () => true,
          getResourceServerInfo: () => ({
            scope: "",
            audience: AUDIENCE,
            accessTokenTTL: lifetimeS,
            accessTokenFormat: "jwt",
            jwt: { sign: { alg: "RS256" } },
          }),
        },
      },
    });
    const made = new OidcProvider(issuer, server);
    provider.use(async (context: KoaContext, next: () => Promise<void>) => {
      made.asked.push(context.path);
      const instead = made.intercept(context.path);
      if (instead !== undefined) {
        context.status = instead.status;
        context.body = instead.body;
        return;
      }
      await next();
      if (typeof context.body === "object" && context.body !== null) {
        made.rewrite(context.path, context.body as Record<string, unknown>);
      }
    });
    const handle: (request: IncomingMessage, response: ServerResponse) => void = provider
      .callback();
    server.on("request", handle);
    return made;
  }

  /** How often a path was asked. */
  count(path: string): number {
    return this.asked.filter((one) => one === path).length;
  }

  /** What an auth file needs to trust it: an entry of `issuers`, in flow style. */
  entry(login = `{ clientId: ${CLIENT_ID}, resource: "${AUDIENCE}" }`): string {
    return `{ id: corp, issuer: "${this.issuer}", audience: "${AUDIENCE}", algorithms: [RS256], ` +
      `keysUrl: "${this.issuer}/jwks"${login === "" ? "" : `, login: ${login}`} }`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A form of a page. */
interface Form {
  readonly action: string;
  readonly fields: URLSearchParams;
}

/** A browser as far as a login needs one: cookies, redirects, forms. */
export class Person {
  readonly #name: string;
  readonly #cookies = new Map<string, string>();

  constructor(name = "alice") {
    this.#name = name;
  }

  /** Opens the address of a device login, confirms the code, logs in, and consents. */
  async confirmDevice(address: string): Promise<string> {
    return await this.#fillIn(await this.#open(address));
  }

  /** Opens the address, and says no. */
  async denyDevice(address: string): Promise<string> {
    return await this.#fillIn(await this.#open(address), { abort: true });
  }

  /**
   * Logs in, and consents, up to the address to which the provider sends the browser back; that is not
   * opened.
   */
  async logIn(address: string): Promise<URL> {
    return new URL(await this.#fillIn(await this.#open(address)));
  }

  /** Opens an address and follows redirects, up to a page, or to the address of a program. */
  async #open(address: string, form?: URLSearchParams): Promise<{ url: string; page: string }> {
    let url = address;
    let body = form;
    for (let hops = 0; hops < 20; hops++) {
      if (new URL(url).pathname === "/callback") return { url, page: "" };
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const response = await fetch(url, {
        redirect: "manual",
        headers: { cookie },
        ...(body !== undefined && { method: "POST", body }),
      });
      for (const set of response.headers.getSetCookie()) {
        const [pair = ""] = set.split(";");
        const at = pair.indexOf("=");
        this.#cookies.set(pair.slice(0, at), pair.slice(at + 1));
      }
      const text = await response.text();
      const location = response.headers.get("location");
      if (location === null) return { url, page: text };
      url = new URL(location, url).href;
      body = undefined;
    }
    throw new Error("The provider redirects without an end");
  }

  /** Fills in one form after the other, until there is none. */
  async #fillIn(
    at: { url: string; page: string },
    { abort = false }: { readonly abort?: boolean } = {},
  ): Promise<string> {
    let { url, page } = at;
    for (let pages = 0; pages < 10; pages++) {
      const form = formOf(page, url);
      if (form === undefined) return page === "" ? url : page;
      const leave = /<a href="([^"]*\/abort)"/.exec(page)?.[1];
      if (abort && leave !== undefined) {
        // What follows asks for a code again.
        return (await this.#open(new URL(leave, url).href)).page;
      }
      const { fields } = form;
      if (fields.has("login")) fields.set("login", this.#name);
      if (fields.has("password")) fields.set("password", "a password");
      ({ url, page } = await this.#open(form.action, fields));
    }
    throw new Error("The provider has forms without an end");
  }
}

function formOf(page: string, url: string): Form | undefined {
  const form = /<form[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/.exec(page);
  if (form === null) return undefined;
  const [, action = "", inside = ""] = form;
  const fields = new URLSearchParams();
  for (const [input] of inside.matchAll(/<(?:input|button)[^>]*>/g)) {
    const name = /name="([^"]*)"/.exec(input)?.[1];
    if (name !== undefined) fields.set(name, /value="([^"]*)"/.exec(input)?.[1] ?? "");
  }
  return { action: new URL(action.replaceAll("&amp;", "&"), url).href, fields };
}
