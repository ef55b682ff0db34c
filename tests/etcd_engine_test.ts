/** The engine's suite on a real etcd, and what only a real one does: it is killed, frozen, full. */
import { EtcdEngine } from "../hub/engine/etcd_engine.ts";
import { engineSuite } from "../hub/engine/testing/engine_suite.ts";
import { Etcd, isWithoutEtcd } from "./support/etcd.ts";

const ignore = isWithoutEtcd();

function open(etcd: Etcd): EtcdEngine {
  return new EtcdEngine({ members: etcd.addresses, tls: etcd.tlsFiles() });
}

for (
  const [what, options] of [
    ["one member", {}],
    ["three members, TLS and a client certificate", { members: 3, tls: true }],
  ] as const
) {
  Deno.test({
    name: `EtcdEngine does what every engine does: ${what}`,
    ignore,
    fn: async (t) => {
      await using etcd = await Etcd.start(options);
      await engineSuite(t, {
        open: () => {
          const [one, other] = [open(etcd), open(etcd)];
          return Promise.resolve({
            one,
            other,
            async [Symbol.asyncDispose]() {
              await one[Symbol.asyncDispose]();
              await other[Symbol.asyncDispose]();
            },
          });
        },
        compact: async (revision) => void await etcd.ctl("compact", String(revision)),
        shortTtlMs: 2_000,
      });
    },
  });
}
