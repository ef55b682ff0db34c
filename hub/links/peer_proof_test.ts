import assert from "node:assert/strict";
import { certificateHash, isProof, nonce, prove } from "./peer_proof.ts";

const SECRET = "x".repeat(32);
const CONTEXT = {
  dialler: nonce(),
  listener: nonce(),
  certificate: certificateHash(Uint8Array.of(1)),
};

Deno.test("a proof is good for its secret, its role and its connection, and for no other", () => {
  const proof = prove(SECRET, "listener", CONTEXT);
  const good = { secret: SECRET, role: "listener", context: CONTEXT } as const;
  assert.ok(isProof(proof, good));
  assert.ok(!isProof(proof, { ...good, secret: "y".repeat(32) }));
  // Sent back, it proves nothing.
  assert.ok(!isProof(proof, { ...good, role: "dialler" }));
  for (
    const other of [
      { dialler: nonce() },
      { listener: nonce() },
      // Somebody between the two has shown another certificate.
      { certificate: certificateHash(Uint8Array.of(2)) },
    ]
  ) assert.ok(!isProof(proof, { ...good, context: { ...CONTEXT, ...other } }));
  for (const no of [undefined, "", 7, proof.slice(1), `${proof}=`]) assert.ok(!isProof(no, good));
});
