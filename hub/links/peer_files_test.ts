import assert from "node:assert/strict";
import { generateAuthority, signerOf } from "../../shared/tls/authority.ts";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { VERSION } from "../../shared/version.ts";
import { until } from "../../tests/support/until.ts";
import { LinkedHubs, PEER_SECRET } from "../testing/linked_hubs.ts";
import { PeerDialler } from "./peer_dial.ts";
import { peerCredentials } from "./peer_port.ts";

Deno.test("a hub reloads secret, certificate and authorities of links: new links use them, others stand", async () => {
  const signed = async (authority: { cert: string; key: string }) =>
    await generateCertificate(["hub"], { authority: await signerOf(authority) });
  const [old, next] = [await generateAuthority("hubs"), await generateAuthority("hubs again")];
  const credentials = { secret: PEER_SECRET, ca: old.cert, identity: await signed(old) };
  let fresh = credentials;
  const peers = { ...credentials, reread: () => Promise.resolve(fresh) };
  await using hubs = await LinkedHubs.start({ a: { peers }, b: { peers } });
  const [a, b] = [hubs.of("a"), hubs.of("b")];
  const areLinked = () => [a, b].every(({ hub }) => hub.links?.up === 1);
  await until("both links", areLinked);
  const look = async ({ hub }: typeof a) =>
    await hub.reloadParts.find(({ what }) => what.includes("of links"))!.look();
  assert.equal(await look(a), "unchanged");
  fresh = { ...credentials, identity: { cert: "broken", key: "" } };
  await assert.rejects(look(a));
  fresh = { secret: `another ${PEER_SECRET}`, ca: next.cert, identity: await signed(next) };
  for (const one of [a, b]) {
    await look(one); // Unless the hub has looked by itself just now.
    assert.ok(areLinked(), "what stands goes on");
  }
  hubs.tell(() => undefined);
  await until("no links", () => [a, b].every(({ hub }) => hub.links?.up === 0));
  hubs.tell();
  await until("links with the new files", areLinked);
  const { peerAddress, session } = b.record;
  const dialler = new PeerDialler(await peerCredentials(credentials));
  const self = { name: "c", session: "session-of-c", version: VERSION, protocol: 1 };
  const signal = AbortSignal.timeout(20_000);
  await assert.rejects(dialler.dial(peerAddress, { self, session, signal }));
});
