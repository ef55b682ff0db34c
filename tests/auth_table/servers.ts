/**
 * What a server may register: its names, upstreams and labels, by each kind of credential.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { AuthTable } from "../support/auth_table.ts";
import { jwt, tokenOf } from "../support/auth_world.ts";
import { RefusedError, Witness } from "../support/witness.ts";

type Attempt = [what: string, name: string, token: string | undefined, labels: string, is: string];

async function attempts(): Promise<Attempt[]> {
  const [edges, labs] = [tokenOf("edges"), tokenOf("labs")];
  const as = (sub: string, more = {}) => jwt({ claims: { role: "plant", sub }, ...more });
  const [bad, none, other] = [
    "400 INVALID_ARGUMENT",
    "401 UNAUTHENTICATED",
    "403 PERMISSION_DENIED",
  ];
  return [
    ["its name", "edge-7", edges, "", "OK"],
    ["its name by the next token", "edge-8", tokenOf("edges-next"), "", "OK"],
    ["its upstream", "edge-7/payments", edges, "", "OK"],
    ["its label", "edge-7", edges, "env=prod", "OK"],
    ["another's name", "lab-1", edges, "", other],
    ["a name like its own", "an-edge-7", edges, "", other],
    ["another's upstream", "lab-1/edge-7", edges, "", other],
    ["a name that is a pattern", "edge-*", edges, "", bad],
    ["a name in upper case", "EDGE-7", edges, "", bad],
    ["a name of three parts", "edge-7/a/b", edges, "", bad],
    ["a name with a way back", "edge-7/../lab-1", edges, "", bad],
    ["a name that is escaped", "edge-7%2fx", edges, "", bad],
    ["no name", "", edges, "", bad],
    ["a label's other value", "edge-7", edges, "env=test", other],
    ["another label", "edge-7", edges, "team=a", other],
    ["a good label and another", "edge-7", edges, "env=dev,team=a", other],
    ["a label in upper case", "edge-7", edges, "ENV=prod", other],
    ["an upstream that is not its own", "lab-1/x", labs, "", other],
    ["nothing to show, from loopback", "edge-7", undefined, "", none],
    ["a wrong token", "edge-7", "x".repeat(43), "", none],
    ["an operator's token", "edge-7", tokenOf("root"), "", other],
    ["a name by its JWT", "plant-ams", await as("ams"), "", "OK"],
    ["another name by its JWT", "plant-nyc", await as("ams"), "", other],
    ["an upstream by its JWT", "plant-ams/x", await as("ams"), "", other],
    ["a star in its JWT", "plant-nyc", await as("*"), "", other],
    ["a slash in its JWT", "plant-ams/payments", await as("ams/payments"), "", other],
    ["an operator's JWT", "plant-ams", await jwt(), "", other],
    ["an expired JWT", "plant-ams", await as("ams", { expiresInS: -99 }), "", none],
  ];
}

export async function servers(t: Deno.TestContext, table: AuthTable): Promise<void> {
  const { tunnelUri: uri } = table.world;
  for (const [what, name, token, labels, is] of await attempts()) {
    await t.step(what, async () => {
      const headers = {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        "x-hub-meta-labels": labels,
      };
      try {
        await using _ = await Witness.start({ uri, name, seen: [], headers });
        assert.equal("OK", is);
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error;
        assert.equal(`${error.status} ${error.body.code}`, is, error.message);
        if (token !== undefined) assert.ok(!error.message.includes(token));
      }
    });
  }
}
