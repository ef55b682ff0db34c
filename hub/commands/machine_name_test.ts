import assert from "node:assert/strict";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { machineName } from "./machine_name.ts";

Deno.test("machineName() is one that the certificate has", async (t) => {
  const table: [hosts: string[] | undefined, name: string][] = [
    [undefined, "vm"],
    [["localhost", "127.0.0.1", "vm"], "vm"],
    [["localhost", "192.0.2.1", "hub.example", "other.example"], "hub.example"],
    [["*.example", "hub.example"], "hub.example"],
    [["localhost", "127.0.0.1"], "vm"],
    [["192.0.2.1"], "vm"],
  ];
  for (const [hosts, name] of table) {
    await t.step(String(hosts), async () => {
      const cert = hosts && (await generateCertificate(hosts)).cert;
      assert.equal(machineName("vm", cert), name);
    });
  }
});

Deno.test("machineName() knows a name that a pattern covers", async () => {
  const { cert } = await generateCertificate(["first.example", "*.corp.example"]);
  assert.equal(machineName("vm.corp.example", cert), "vm.corp.example");
});
