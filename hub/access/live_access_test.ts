import assert from "node:assert/strict";
import type { Auth, Identity } from "../auth/identity.ts";
import { FakeTunnel } from "../testing/fake_tunnel.ts";
import { createAccess } from "./access.ts";
import { LOOK_AT_JWTS_S } from "./live_access.ts";
import type { Refusal } from "../registry/refusal.ts";
import { Registry } from "../registry/registry.ts";

const IDENTITIES: Record<string, Identity> = {
  "by-jwt": { kind: "server", name: "plants", how: "jwt" },
  "by-token": { kind: "server", name: "edges", how: "token" },
};

/** Knows everybody, until its issuer withdraws a key. */
class FakeAuth implements Pick<Auth, "authorizeTunnel" | "onChange"> {
  refusal: Refusal | undefined;
  asked = 0;

  authorizeTunnel({ info }: Parameters<Auth["authorizeTunnel"]>[0]): Identity | Refusal {
    this.asked++;
    const identity = IDENTITIES[info.name]!;
    return identity.how === "jwt" ? this.refusal ?? identity : identity;
  }

  onChange(): void {}
}

function open(...names: string[]) {
  const auth = new FakeAuth();
  const { authenticator, live } = createAccess({
    auth: auth as unknown as Auth,
    registry: new Registry(),
    allowPlaintextCalls: false,
  });
  const tunnels = names.map((name) => {
    const tunnel = new FakeTunnel(name, 1);
    const request = { remote: "192.0.2.7", header: () => undefined, info: tunnel.info };
    live.keepTunnel(tunnel, request, IDENTITIES[name]!);
    return tunnel;
  });
  const tick = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) live.tick();
    await new Promise((resolve) => setTimeout(resolve));
  };
  return { auth, authenticator, tunnels, tick };
}

Deno.test("LiveAccess ends what came by a JWT whose key its issuer has withdrawn meanwhile", async () => {
  const { auth, authenticator, tunnels: [byJwt, byToken], tick } = open("by-jwt", "by-token");
  auth.refusal = { status: 401, code: "UNAUTHENTICATED", message: "Not signed by its issuer" };
  await tick(LOOK_AT_JWTS_S - 1);
  assert.equal(auth.asked, 0);
  await tick(1);
  assert.deepEqual(byJwt!.closeReasons.map(({ reason }) => reason), [
    'The hub no longer lets "plants" in: Not signed by its issuer',
  ]);
  assert.deepEqual(byToken!.closeReasons, []);
  authenticator.close();
});

Deno.test("LiveAccess puts nobody out because an issuer's keys cannot be had", async () => {
  const { auth, authenticator, tunnels: [byJwt], tick } = open("by-jwt");
  auth.refusal = { status: 503, code: "UNAVAILABLE", message: "The keys cannot be had" };
  await tick(LOOK_AT_JWTS_S);
  assert.deepEqual([auth.asked, byJwt!.closeReasons.length], [1, 0]);
  authenticator.close();
});

Deno.test("LiveAccess asks nothing where nobody came with a JWT", async () => {
  const { auth, authenticator, tick } = open("by-token");
  await tick(LOOK_AT_JWTS_S);
  assert.equal(auth.asked, 0);
  authenticator.close();
});
