/**
 * Where operators log in, as the hub tells a caller that it does not let in: in the metadata of
 * `ErrorInfo`, docs/protocol.md §12.4. Nothing in it is secret.
 *
 *     loginIssuer    https://id.example/realms/corp     the only field that must be there
 *     loginClientId  gclient
 *     loginScopes    openid offline_access              with blanks between them
 *     loginResource  https://hub.example                RFC 8707
 *     loginToken     access | id                        which token the hub takes
 *
 * @module
 */

/** Which token of an answer is the credential at the hub. */
export const LOGIN_TOKENS = ["access", "id"] as const;
export type LoginToken = typeof LOGIN_TOKENS[number];

/** Where operators of a hub log in. */
export interface LoginOffer {
  /** The issuer's identifier, from which its metadata are found (OpenID Connect Discovery). */
  readonly issuer: string;
  /** As whom gclient asks there: a public client, which has no secret. */
  readonly clientId: string | undefined;
  /** Empty: those that gclient asks for by itself. */
  readonly scopes: readonly string[];
  /** For which resource the token is to be (RFC 8707). */
  readonly resource: string | undefined;
  readonly token: LoginToken;
}

/** An offer as metadata of an error. */
export function writeOffer(offer: LoginOffer): Record<string, string> {
  const { issuer, clientId, scopes, resource, token } = offer;
  return {
    loginIssuer: issuer,
    ...(clientId !== undefined && { loginClientId: clientId }),
    ...(scopes.length > 0 && { loginScopes: scopes.join(" ") }),
    ...(resource !== undefined && { loginResource: resource }),
    loginToken: token,
  };
}

/** The offer in the metadata of an error; `undefined` if there is none. */
export function readOffer(
  metadata: Readonly<Record<string, string>> | undefined,
): LoginOffer | undefined {
  const { loginIssuer: issuer, loginClientId, loginScopes = "", loginResource, loginToken } =
    metadata ?? {};
  if (issuer === undefined) return undefined;
  return {
    issuer,
    clientId: loginClientId,
    scopes: loginScopes.split(" ").filter((scope) => scope !== ""),
    resource: loginResource,
    token: loginToken === "id" ? "id" : "access",
  };
}
