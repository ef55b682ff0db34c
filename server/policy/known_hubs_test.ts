import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { jwkOf, publicKey } from "../../shared/vouchers/jws.ts";
import { HubKeyChangedError, KnownHubs, type Meeting } from "./known_hubs.ts";

const newKey = () => publicKey(jwkOf(generateKeyPairSync("ed25519").privateKey));

Deno.test("known_hubs pins the keys of a cluster: a further address is no first contact", async (t) => {
  const [k1, k2, k3, foreign] = [newKey(), newKey(), newKey(), newKey()];
  const [a, b, elsewhere] = ["a", "b", "elsewhere"].map((name) => new URL(`wss://${name}/ws`));
  const dir = await Deno.makeTempDir();
  const hubs = new KnownHubs(dir);
  const cluster = [a!, b!];
  type Keys = [typeof k1, typeof k1];
  const rows: [what: string, hub: URL, keys: Keys, meeting: Meeting | "refused"][] = [
    ["the first hub", a!, [k1, k2], "first"],
    ["the second has a key of its own", b!, [foreign, foreign], "refused"],
    ["the second will have the first one's key: not yet", b!, [foreign, k1], "refused"],
    ["the second has the same keys", b!, [k1, k2], "joined"],
    ["the first has renewed its keys", a!, [k2, k3], "renewed"],
    ["the second has not, yet", b!, [k1, k2], "known"],
    ["now the second has too", b!, [k2, k3], "renewed"],
    ["the second has another key at once", b!, [foreign, k3], "refused"],
    ["a hub that is none of these", elsewhere!, [foreign, foreign], "first"],
  ];
  try {
    for (const [what, hub, keys, meeting] of rows) {
      await t.step(what, () => {
        const given = cluster.includes(hub) ? { cluster } : {};
        const meet = () => hubs.meet(hub, { keys, hubTimeMs: 0 }, given);
        if (meeting === "refused") assert.throws(meet, HubKeyChangedError);
        else assert.equal(meet(), meeting);
      });
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
