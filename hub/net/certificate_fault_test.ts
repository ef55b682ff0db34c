import assert from "node:assert/strict";
import { generateAuthority, signerOf } from "../../shared/tls/authority.ts";
import { KEY_ALGORITHM } from "../../shared/tls/generate.ts";
import * as x509 from "../../shared/tls/x509.ts";
import { certificateFault } from "./certificate_fault.ts";
import { ClientAuthorities } from "./client_authorities.ts";

const NOW = "2030-06-01T12:00:00Z";
const [SERVER, CLIENT] = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"];
const OF_ITS_TIME = { from: "2030-01-01T00:00:00Z", to: "2031-01-01T00:00:00Z" };

Deno.test("certificateFault() tells a stranger's certificate from one of another time or purpose", async () => {
  const notBefore = new Date("2029-01-01T00:00:00Z");
  const trusted = await generateAuthority("hubs", { notBefore });
  const signers = {
    trusted: await signerOf(trusted),
    other: await signerOf(await generateAuthority("others", { notBefore })),
  };
  const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const here = "(clock of the hub that checks it: 2030-06-01T12:00Z)";
  for (
    const { by = "trusted", time = OF_ITS_TIME, usages = [SERVER, CLIENT], end = "client", fault }
      of [
        { fault: undefined },
        { by: "other", fault: "is of no authority that is trusted here" },
        {
          time: { ...OF_ITS_TIME, to: "2030-06-01T11:00:00Z" },
          fault: `expired at 2030-06-01T11:00:00Z ${here}`,
        },
        {
          time: { ...OF_ITS_TIME, from: "2030-06-01T13:00:00Z" },
          fault: `is not valid before 2030-06-01T13:00:00Z ${here}`,
        },
        { usages: [SERVER], end: "server", fault: undefined },
        {
          usages: [SERVER],
          fault: "is not for a TLS client: its extended key usage lacks clientAuth",
        },
        {
          usages: [CLIENT],
          end: "server",
          fault: "is not for a TLS server: its extended key usage lacks serverAuth",
        },
        { usages: [], fault: undefined },
      ] as const
  ) {
    const { certificate: issuer, signingKey, signingAlgorithm } = signers[by];
    const certificate = await x509.X509CertificateGenerator.create({
      subject: "CN=hub",
      issuer: issuer.subjectName,
      notBefore: new Date(time.from),
      notAfter: new Date(time.to),
      publicKey: keys.publicKey,
      signingKey,
      signingAlgorithm,
      extensions: usages.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension([...usages])],
    });
    const found = await certificateFault([new Uint8Array(certificate.rawData)], {
      authorities: new ClientAuthorities(trusted.cert),
      as: [end],
      nowMs: Date.parse(NOW),
    });
    assert.equal(found, fault);
  }
});
