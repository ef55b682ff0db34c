import assert from "node:assert/strict";
import { type LoginOffer, readOffer, writeOffer } from "./offer.ts";

Deno.test("readOffer() reads what writeOffer() writes", () => {
  const least: LoginOffer = {
    issuer: "https://id.example",
    clientId: undefined,
    scopes: [],
    resource: undefined,
    token: "access",
  };
  const most: LoginOffer = {
    issuer: "https://id.example/realms/corp",
    clientId: "gclient",
    scopes: ["openid", "groups"],
    resource: "https://hub.example",
    token: "id",
  };
  for (const offer of [least, most]) assert.deepEqual(readOffer(writeOffer(offer)), offer);
});

Deno.test("readOffer() finds none in the metadata of other errors", () => {
  assert.equal(readOffer(undefined), undefined);
  assert.equal(readOffer({ servers: "edge-1" }), undefined);
});
