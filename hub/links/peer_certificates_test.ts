/**
 * Hubs that prove themselves by certificates, and one whose certificate is not good: both hubs must be
 * able to tell why, at whichever of them somebody looks.
 */
import { configure, type LogRecord, reset } from "@logtape/logtape";
import assert from "node:assert/strict";
import { generateAuthority, signerOf } from "../../shared/tls/authority.ts";
import { DAY_MS } from "../../shared/tls/day.ts";
import { generateCertificate, type GenerateOptions } from "../../shared/tls/generate.ts";
import { until } from "../../tests/support/until.ts";
import { LinkedHubs } from "../testing/linked_hubs.ts";

const DAYS_AGO = new Date(Date.now() - 10 * DAY_MS);
const TOMORROW = new Date(Date.now() + DAY_MS);

for (
  const [what, options, fault] of [
    ["has expired", { notBefore: DAYS_AGO, days: 1 }, "expired at \\d{4}-.*clock of the hub"],
    [
      "is not valid yet",
      { notBefore: TOMORROW },
      "is not valid before \\d{4}-.*clock of the hub",
    ],
    ["is a stranger's", { authority: undefined }, "is of no authority that is trusted here"],
  ] as const satisfies readonly (readonly [string, GenerateOptions, string])[]
) {
  Deno.test(`15: a hub's certificate that ${what} is told at both hubs, whichever dials`, async () => {
    const reasons = new Set<string>();
    await configure({
      sinks: { reasons: ({ properties }: LogRecord) => reasons.add(String(properties["reason"])) },
      loggers: [
        { category: ["hub", "links"], sinks: ["reasons"] },
        { category: ["logtape", "meta"], sinks: [] },
      ],
    });
    try {
      const pair = await generateAuthority("hubs");
      const authority = await signerOf(pair);
      const proof = async (own: GenerateOptions) => ({
        secret: undefined,
        ca: pair.cert,
        identity: await generateCertificate(["hub"], { authority, ...own }),
      });
      await using hubs = await LinkedHubs.start({
        good: { peers: await proof({}) },
        bad: { peers: await proof(options) },
      });
      for (
        const said of [
          `^The certificate there ${fault}`,
          `^The other hub refuses: Your certificate ${fault}`,
          `^Hub "bad" shows a certificate that ${fault}`,
          `^The other hub refuses: Your hub shows a certificate that ${fault}`,
        ]
      ) {
        await until(said, () => [...reasons].some((reason) => new RegExp(said).test(reason)));
      }
      assert.equal(hubs.of("good").hub.links?.up, 0);
      assert.equal(hubs.of("bad").hub.links?.up, 0);
    } finally {
      await reset();
    }
  });
}
