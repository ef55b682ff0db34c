/**
 * The files of TLS towards etcd, as a reload looks at them. They are read at each dial anyway; so what
 * is wrong with new ones would be found out when the connection that stands is lost, perhaps in the
 * middle of the night.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ReloadPart } from "../../shared/cli/reload.ts";
import { loadAuthorities, loadCertificate } from "../../shared/tls/load.ts";
import type { EtcdTlsFiles } from "./etcd_dial.ts";

/** Says whether the files have changed since the last look. @throws {Error} If they cannot be used. */
export function etcdFilesPart(files: EtcdTlsFiles): ReloadPart {
  let known = fingerprintOf(files);
  return {
    what: "TLS files for etcd",
    async look() {
      const { caFile, certFile, keyFile } = files;
      if (caFile !== undefined) await loadAuthorities(caFile, { flag: "--cluster-ca-file" });
      if (certFile !== undefined) {
        await loadCertificate(certFile, { keyFile, keyFlag: "--cluster-key-file" });
      }
      const now = fingerprintOf(files);
      const hasChanged = now !== known;
      known = now;
      return hasChanged ? "in use for the next connection, changed" : "unchanged";
    },
  };
}

function fingerprintOf(files: EtcdTlsFiles): string {
  const hash = createHash("sha256");
  for (const path of [files.caFile, files.certFile, files.keyFile]) {
    hash.update(path === undefined ? "" : readFileSync(path)).update("\0");
  }
  return hash.digest("hex");
}
