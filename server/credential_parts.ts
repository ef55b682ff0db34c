/**
 * What a server shows to the hub, and trusts, at SIGHUP: token and TLS files are read at each dial
 * anyway, so that a look is for whoever changed them to be told whether they are good.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { ReloadPart } from "../shared/cli/reload.ts";
import { loadTls, type TlsFiles } from "./tls_material.ts";
import { readToken, type TokenSource } from "./token.ts";

export interface Credentials {
  readonly token: TokenSource;
  readonly tls: TlsFiles;
}

/**
 * The files among them, as parts of a reload.
 *
 * @throws {UsageError} If one cannot be used from the start.
 */
export async function credentialParts({ token, tls }: Credentials): Promise<ReloadPart[]> {
  const parts: ReloadPart[] = [];
  if (token.file !== undefined) {
    parts.push(await part(`token file ${token.file}`, async () => await readToken(token) ?? ""));
  }
  const files = [tls.caCertFile, tls.certFile, tls.keyFile].filter((file) => file !== undefined);
  if (files.length > 0) {
    parts.push(
      await part(`TLS files ${files.join(", ")}`, async () => {
        return JSON.stringify(await loadTls(tls));
      }),
    );
  }
  return parts;
}

async function part(what: string, read: () => Promise<string>): Promise<ReloadPart> {
  const digest = async () => createHash("sha256").update(await read()).digest("hex");
  let seen = await digest();
  return {
    what,
    async look() {
      const now = await digest();
      if (now === seen) return "unchanged";
      seen = now;
      return "good, and used from the next dial on";
    },
  };
}
