/**
 * Who issues JWTs that the hub accepts, as an auth file describes it.
 *
 *     issuer → { id, issuer, audience: [text], algorithms: [name], keysFile | keysUrl, clockSkewS?, login? }
 *     login  → { clientId, scopes?: [text], resource?, token?: access | id }
 *
 * @module
 */
import { LOGIN_TOKENS, type LoginOffer } from "../../shared/login/offer.ts";
import type { YamlElement } from "../../shared/rules/yaml_element.ts";

/** Algorithms with a secret that the issuer shares with the hub. */
const SECRET_ALGORITHMS: readonly string[] = ["HS256", "HS384", "HS512"];
const ALGORITHMS: readonly string[] = [
  ...SECRET_ALGORITHMS,
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512"],
  ...["EdDSA", "Ed25519"],
];

/** Clocks that differ by more are a fault to repair. */
const MAX_CLOCK_SKEW_S = 300;
const DEFAULT_CLOCK_SKEW_S = 30;

export interface Issuer {
  readonly id: string;
  /** What the claim `iss` says. */
  readonly issuer: string;
  /** One of which the claim `aud` must say. */
  readonly audience: readonly string[];
  readonly algorithms: readonly string[];
  /** A JWKS, a PEM public key or certificate, or a shared secret. */
  readonly keysFile: string | undefined;
  /** A JWKS, fetched and cached. */
  readonly keysUrl: URL | undefined;
  readonly clockSkewS: number;
  /** How `gclient login` gets a token there; absent: the hub tells nobody of this issuer. */
  readonly login?: LoginOffer;
}

/** Whether an issuer's key is a secret that it shares with the hub. */
export function isSecret({ algorithms }: Pick<Issuer, "algorithms">): boolean {
  return algorithms.some((name) => SECRET_ALGORITHMS.includes(name));
}

/** Reads one issuer; what is wrong with it becomes a fault of its element. */
export function readIssuer(element: YamlElement): Issuer {
  const { id, issuer, audience, algorithms, keysFile, keysUrl, clockSkewS, login } = element.fields(
    "id",
    "issuer",
    "audience",
    "algorithms",
    "keysFile",
    "keysUrl",
    "clockSkewS",
    "login",
  );
  for (const [name, field] of Object.entries({ id, issuer, audience, algorithms })) {
    if (field === undefined) element.fault(`must have ${name}`);
  }
  if ((keysFile === undefined) === (keysUrl === undefined)) {
    element.fault("must have keysFile or keysUrl, one of them");
  }
  const result: Issuer = {
    id: id?.text() ?? "",
    issuer: issuer?.text() ?? "",
    audience: audience?.oneOrMore().map((one) => one.text()) ?? [],
    algorithms: algorithms?.oneOrMore().map(readAlgorithm) ?? [],
    keysFile: keysFile?.text(),
    keysUrl: keysUrl === undefined ? undefined : readUrl(keysUrl),
    clockSkewS: clockSkewS?.integer() ?? DEFAULT_CLOCK_SKEW_S,
    ...(login !== undefined && { login: readLogin(login, issuer) }),
  };
  if (result.clockSkewS < 0 || result.clockSkewS > MAX_CLOCK_SKEW_S) {
    clockSkewS?.fault(`must be 0 to ${MAX_CLOCK_SKEW_S} seconds`);
  }
  if (result.audience.length === 0) audience?.fault("must not be empty");
  if (result.algorithms.length === 0) algorithms?.fault("must not be empty");
  if (isSecret(result)) {
    if (!result.algorithms.every((name) => SECRET_ALGORITHMS.includes(name))) {
      algorithms?.fault("must not mix HS… with others: a public key would do as a secret");
    }
    keysUrl?.fault("cannot be used with HS…: a shared secret has no place in a public key set");
  }
  return result;
}

function readLogin(element: YamlElement, issuer: YamlElement | undefined): LoginOffer {
  const { clientId, scopes, resource, token } = element.fields(
    "clientId",
    "scopes",
    "resource",
    "token",
  );
  if (clientId === undefined) element.fault("must have clientId: as whom gclient asks the issuer");
  // Whoever answers there is shown to people as the place for their password.
  if (issuer !== undefined) readUrl(issuer);
  return {
    issuer: issuer?.text() ?? "",
    clientId: clientId?.text(),
    scopes: scopes?.oneOrMore().map((scope) => readWord(scope)) ?? [],
    resource: resource?.text(),
    token: token?.choice(LOGIN_TOKENS, "access") ?? "access",
  };
}

function readWord(element: YamlElement): string {
  const text = element.text();
  if (/\s/.test(text)) element.fault("must be one scope; write several as a list");
  return text;
}

function readAlgorithm(element: YamlElement): string {
  const name = element.text();
  if (!ALGORITHMS.includes(name)) element.fault(`must be one of ${ALGORITHMS.join(", ")}`);
  return name;
}

function readUrl(element: YamlElement): URL | undefined {
  const url = URL.parse(element.text());
  const local = url !== null && ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url?.protocol === "https:" || (local && url.protocol === "http:")) {
    if (url.username === "" && url.password === "") return url;
  }
  element.fault("must be an https:// address without a password: who answers there lets people in");
  return undefined;
}
