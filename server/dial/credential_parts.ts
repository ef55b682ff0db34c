/**
 * What a server shows to the hub, and trusts: files that somebody may change while it runs. Then it
 * opens a new tunnel, before the hub ends the old one because its token is no longer good.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { createHash } from "node:crypto";
import { Complaint } from "../../shared/async/complaint.ts";
import type { ReloadPart } from "../../shared/cli/reload.ts";
import { loadTls, type TlsFiles } from "./tls_material.ts";
import { readToken, type TokenSource } from "./token.ts";

export interface DialCredentials {
  readonly token: TokenSource;
  readonly tls: TlsFiles;
}

/** Files are looked at this often. */
const LOOK_MS = 5_000;

/**
 * The files among them, as parts of a reload.
 *
 * @param onChange Called when one has changed and is good, or is good for the first time.
 */
export async function credentialParts(
  { token, tls }: DialCredentials,
  onChange: () => void,
): Promise<ReloadPart[]> {
  const parts: ReloadPart[] = [];
  const part = (what: string, read: () => Promise<string>) => changing(what, { read, onChange });
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

/** Looks at parts again and again, and logs what is wrong with them. */
export function watch(parts: readonly ReloadPart[], lookMs: number = LOOK_MS): Disposable {
  const look = async (part: ReloadPart, complaint: Complaint) => {
    try {
      await part.look();
      complaint.settle();
    } catch (error) {
      const { message } = error as Error;
      if (!complaint.isDue(message)) return;
      getLogger(["server", "credentials"]).error(
        "{what} cannot be used, what was before still is: {message}",
        { what: part.what, message },
      );
    }
  };
  const timers = parts.map((part) => {
    const complaint = new Complaint();
    return setInterval(() => look(part, complaint), lookMs);
  });
  return { [Symbol.dispose]: () => timers.forEach(clearInterval) };
}

async function changing(
  what: string,
  { read, onChange }: { read(): Promise<string>; onChange(): void },
): Promise<ReloadPart> {
  const digest = async () => createHash("sha256").update(await read()).digest("hex");
  // Whoever dials says what is wrong with one that is not good from the start.
  let seen = await digest().catch(() => "");
  return {
    what,
    async look() {
      const now = await digest();
      if (now === seen) return "unchanged";
      seen = now;
      onChange();
      return "good, a new tunnel is opened with it";
    },
  };
}
