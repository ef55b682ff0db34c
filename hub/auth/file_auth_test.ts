import assert from "node:assert/strict";
import type { google_rpc_ErrorInfo as ErrorInfo } from "../../shared/gen/types.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { readOffer } from "../../shared/login/offer.ts";
import { parseAuthFile } from "./auth_file.ts";
import { FileAuth } from "./file_auth.ts";

/** What a caller with this credential is told of where to log in. */
async function offerTo(authorization: string | undefined, login: string) {
  const dir = await Deno.makeTempDir();
  try {
    const secret = `${dir}/hmac.key`;
    await Deno.writeTextFile(secret, "s".repeat(32), { mode: 0o600 });
    const issuer = `id: corp, issuer: "https://id.example", audience: ghub, algorithms: HS256, ` +
      `keysFile: hmac.key${login}`;
    const file = parseAuthFile("auth.yaml", `version: 1\nissuers: [{ ${issuer} }]`);
    const auth = new FileAuth(`${dir}/auth.yaml`, file);
    const answer = await auth.authorizeCall({ remote: "192.0.2.1", authorization });
    assert.ok(answer instanceof RpcError);
    const [info] = answer.details;
    return readOffer((info!.value as ErrorInfo).metadata);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("FileAuth tells those whom it does not let in where to log in, if the file says so", async () => {
  const login =
    ", login: { clientId: gclient, scopes: [openid, groups], resource: https://h, token: id }";
  const offer = {
    issuer: "https://id.example",
    clientId: "gclient",
    scopes: ["openid", "groups"],
    resource: "https://h",
    token: "id",
  };
  assert.deepEqual(await offerTo(undefined, login), offer);
  assert.deepEqual(await offerTo(`Bearer ${"x".repeat(40)}`, login), offer);
  for (const authorization of [undefined, `Bearer ${"x".repeat(40)}`]) {
    assert.equal(await offerTo(authorization, ""), undefined);
  }
});
