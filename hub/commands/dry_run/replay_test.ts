import assert from "node:assert/strict";
import { parseAuthFile } from "../../auth/auth_file.ts";
import { MAX_BAD_LINES, replayAudit } from "./replay.ts";
import { type AuditEntry, Judge, judgementThen } from "./judge.ts";

const HASH = { a: "a".repeat(64), b: "b".repeat(64), c: "c".repeat(64) } as const;

const FILE = parseAuthFile(
  "new.yaml",
  `
version: 1
issuers:
  - { id: corp, issuer: "https://id.test", audience: ghub, algorithms: ES256, keysUrl: "https://id.test/" }
servers:
  - { id: edges, tokens: ["sha256:${HASH.a}"], names: [edge-*], labels: { env: [prod, dev] } }
  - { id: bysan, certificates: "dns:*.test", names: "{san}", labels: { "**": "**" } }
  - { id: byclaim, jwt: { issuer: corp, claims: { role: server } }, names: "site-{site}" }
  - { id: bysub, jwt: { issuer: corp, claims: { sub: "s-*" } }, names: "{sub}" }
operators:
  - id: root
    tokens: ["sha256:${HASH.b}"]
    rules: [{ servers: "**", methods: "*", effect: allow }]
  - id: prod
    tokens: ["sha256:${HASH.c}"]
    rules:
      - { servers: "**", labels: { env: prod }, methods: "*", effect: allow }
      - { servers: edge-7, methods: "*", effect: deny }
  - id: nodev
    jwt: { issuer: corp, claims: { sub: alice } }
    rules:
      - { servers: "edge-*", methods: "*", effect: allow }
      - { servers: "**", labels: { env: dev }, methods: "/a.B/Stop", effect: deny }
  - id: gone
    tokens: [{ sha256: "${"d".repeat(64)}", expires: 2020-01-01 }]
    rules: [{ servers: "**", methods: "*", effect: allow }]
`,
);

const LABELS: Record<string, Record<string, string>> = {
  "edge-1": { env: "prod" },
  "edge-2": { env: "dev" },
};
const labelsOf = (server: string) => LABELS[server];

const call = (who: string, server: string, more: Partial<AuditEntry> = {}): AuditEntry => ({
  kind: "call",
  who,
  server,
  method: "/a.B/Get",
  status: "OK",
  ...more,
});
const registration = (who: string, server: string, more: Partial<AuditEntry> = {}): AuditEntry => ({
  kind: "registration",
  who,
  server,
  status: "OK",
  labels: {},
  ...more,
});

Deno.test("Judge says what another file would have said, or that it cannot be told", async (t) => {
  const judge = new Judge(FILE);
  const table: [name: string, line: AuditEntry, answer: string, reason: RegExp][] = [
    ["everything", call("root", "edge-9"), "allowed", /^$/],
    ["a label that is known", call("prod", "edge-1"), "allowed", /^$/],
    ["another label", call("prod", "edge-2"), "refused", /no allow rule/],
    ["a label that is not known", call("prod", "edge-9"), "unknown", /which labels the server had/],
    ["denied whatever its labels are", call("prod", "edge-7"), "refused", /deny rule/],
    [
      "a deny rule by label, known",
      call("nodev", "edge-2", { subject: "alice", method: "/a.B/Stop" }),
      "refused",
      /deny rule/,
    ],
    [
      "a deny rule by label, unknown",
      call("nodev", "edge-9", { subject: "alice", method: "/a.B/Stop" }),
      "unknown",
      /labels/,
    ],
    [
      "a deny rule about another method",
      call("nodev", "edge-9", { subject: "alice" }),
      "allowed",
      /^$/,
    ],
    [
      "raw needs all",
      { ...call("nodev", "edge-2", { subject: "alice" }), kind: "raw" },
      "refused",
      /deny rule/,
    ],
    [
      "raw with all",
      { ...call("nodev", "edge-1", { subject: "alice" }), kind: "raw" },
      "allowed",
      /^$/,
    ],
    [
      "another subject",
      call("nodev", "edge-1", { subject: "bob" }),
      "refused",
      /"bob" is not "nodev"/,
    ],
    ["an operator that is no more", call("alice", "edge-1"), "refused", /no operator "alice"/],
    [
      "tokens that have expired",
      call("gone", "edge-1"),
      "refused",
      /tokens of "gone" have expired/,
    ],
    ["without a credential", call("loopback", "edge-1"), "refused", /without a credential/],
    ["nobody knows who", call("", "edge-1"), "unknown", /who it was/],
    ["the hub's own", call("prod", "", { method: "/ghub.v1.Hub/WhoAmI" }), "allowed", /^$/],
    [
      "the tunnel service",
      call("root", "edge-1", { method: "/ghub.v1.Tunnel/Connect" }),
      "refused",
      /no operator may/,
    ],
    ["nobody knows where", call("prod", ""), "unknown", /which server/],
    [
      "a method that is cut",
      call("prod", "edge-1", { method: "/a.B/".padEnd(256, "x") }),
      "unknown",
      /cut off/,
    ],
    ["a server", registration("edges", "edge-1", { labels: { env: "prod" } }), "allowed", /^$/],
    [
      "another name",
      registration("edges", "lab-1"),
      "refused",
      /may not register the name "lab-1"/,
    ],
    [
      "another label",
      registration("edges", "edge-1", { labels: { env: "test" } }),
      "refused",
      /may not claim the label "env=test"/,
    ],
    [
      "labels not known",
      { kind: "registration", who: "edges", server: "edge-1", status: "OK" },
      "unknown",
      /which labels it claimed/,
    ],
    [
      "another name, labels not known",
      { kind: "registration", who: "edges", server: "lab-1", status: "OK" },
      "refused",
      /name/,
    ],
    [
      "labels not known, any will do",
      { kind: "registration", who: "bysan", server: "x.test", subject: "dns:x.test", status: "OK" },
      "allowed",
      /^$/,
    ],
    [
      "a name in a certificate",
      registration("bysan", "x.test", { subject: "dns:x.test" }),
      "allowed",
      /^$/,
    ],
    [
      "another one's",
      registration("bysan", "y.test", { subject: "dns:x.test" }),
      "refused",
      /name "y\.test"/,
    ],
    [
      "a certificate that does not fit",
      registration("bysan", "x.org", { subject: "dns:x.org" }),
      "refused",
      /is not "bysan"/,
    ],
    [
      "a claim that the audit has",
      registration("bysub", "s-1", { subject: "s-1" }),
      "allowed",
      /^$/,
    ],
    [
      "a claim that it has not",
      registration("byclaim", "site-7", { subject: "x" }),
      "unknown",
      /what \{site\} was/,
    ],
    ["a server that is no more", registration("old", "edge-1"), "refused", /no server entry "old"/],
  ];
  for (const [name, line, answer, reason] of table) {
    await t.step(name, () => {
      const judgement = judge.judge(line, labelsOf);
      assert.deepEqual(
        [judgement.answer, reason.test(judgement.reason)],
        [answer, true],
        judgement.reason,
      );
    });
  }
});

Deno.test("Judge sees changed credentials when it knows those in force", async (t) => {
  const two = `["sha256:${HASH.a}", "sha256:${HASH.b}"]`;
  const yaml = (tokens: string, more = "") =>
    parseAuthFile(
      "x.yaml",
      `version: 1\noperators: [{ id: root, tokens: ${tokens}, rules: [{ servers: "**", methods: "*", effect: allow }] }]\n${more}`,
    );
  const table: [
    name: string,
    to: string,
    more: string,
    who: string,
    answer: string,
    reason: RegExp,
  ][] = [
    ["the same", two, "", "root", "allowed", /^$/],
    [
      "one more",
      `["sha256:${HASH.a}", "sha256:${HASH.b}", "sha256:${HASH.c}"]`,
      "",
      "root",
      "allowed",
      /^$/,
    ],
    [
      "one less",
      `["sha256:${HASH.a}"]`,
      "",
      "root",
      "unknown",
      /some credentials of "root" are gone/,
    ],
    ["others", `["sha256:${HASH.c}"]`, "", "root", "refused", /none of the credentials/],
    ["who was wrong stays so", two, "", "", "refused", /no credential is new/],
    ["who was wrong and may be right", `["sha256:${HASH.c}"]`, "", "", "unknown", /who it was/],
    ["who had none and needs none", two, "allowLoopback: true\n", "", "unknown", /who it was/],
  ];
  for (const [name, to, more, who, answer, reason] of table) {
    await t.step(name, () => {
      const judge = new Judge(yaml(to, more), { old: yaml(two) });
      const judgement = judge.judge(call(who, "edge-1"), labelsOf);
      assert.equal(judgement.answer, answer, judgement.reason);
      assert.match(judgement.reason, reason);
    });
  }
});

Deno.test("judgementThen() takes a refusal without a reason for the server's own", () => {
  const then = (status: AuditEntry["status"], reason?: string) =>
    judgementThen(call("root", "edge-1", { status, ...(reason !== undefined && { reason }) }))
      .answer;
  assert.equal(then("OK"), "allowed");
  assert.equal(then("PERMISSION_DENIED"), "allowed");
  assert.equal(then("PERMISSION_DENIED", "why"), "refused");
  assert.equal(then("UNAUTHENTICATED", "why"), "refused");
  assert.equal(then("UNAVAILABLE", "away"), "unknown");
  assert.equal(then("CANCELLED", "The caller cancelled"), "allowed");
});

Deno.test("dryRun() reads rotated files in their order, and names lines that it cannot read", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const line = (second: number, more: object) =>
      JSON.stringify({ time: new Date(second * 1000).toISOString(), peer: "x", id: "i", ...more });
    const registered = registration("edges", "edge-5", { labels: { env: "prod" } });
    await Deno.writeTextFile(`${dir}/a.jsonl.2`, `${line(1, registered)}\n`);
    await Deno.writeTextFile(
      `${dir}/a.jsonl.1`,
      ["nonsense", line(2, call("prod", "edge-5")), '{"time":"2026"}', "x".repeat(600_000), ""]
        .join("\n"),
    );
    await Deno.writeTextFile(
      `${dir}/a.jsonl`,
      [
        line(3, registration("edges", "edge-5", { labels: { env: "dev" } })),
        line(4, call("prod", "edge-5")),
        line(5, call("prod", "edge-5", { status: "PERMISSION_DENIED", reason: "no" })),
        line(6, call("root", "edge-5", { status: "PERMISSION_DENIED", reason: "no" })),
        line(7, call("prod", "edge-6")).slice(0, -5),
      ].join("\n"),
    );
    const files = ["a.jsonl", "a.jsonl.1", "a.jsonl.2"].map((name) => `${dir}/${name}`);
    const result = await replayAudit(files, { file: FILE });
    assert.deepEqual(result.counts, { refused: 1, allowed: 1, unknown: 0, unchanged: 4 });
    assert.deepEqual(result.groups.map(({ change, who, where }) => [change, who, where]), [
      ["refused", "prod", `${dir}/a.jsonl:2`],
      ["allowed", "root", `${dir}/a.jsonl:4`],
    ]);
    assert.deepEqual(result.badLines, [
      `${dir}/a.jsonl.1:1: is not JSON`,
      `${dir}/a.jsonl.1:3: is no line of an audit`,
      `${dir}/a.jsonl.1:4: is too long`,
      `${dir}/a.jsonl:5: is cut off`,
    ]);
    await Deno.writeTextFile(`${dir}/bad`, "?\n".repeat(1000));
    const bad = await replayAudit([`${dir}/bad`], { file: FILE });
    assert.deepEqual([bad.badCount, bad.badLines.length], [1000, MAX_BAD_LINES]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("dryRun() judges a call through two hubs once, at the hub where it was made", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const line = (more: object) =>
      JSON.stringify({ time: "2026-01-01T00:00:00.000Z", peer: "x", id: "i", ...more });
    const registered = registration("edges", "edge-1", { labels: { env: "dev" } });
    await Deno.writeTextFile(
      `${dir}/a.jsonl`,
      `${line(registered)}\n${line({ ...call("prod", "edge-1"), via: "b/abc-1" })}\n`,
    );
    await Deno.writeTextFile(
      `${dir}/b.jsonl`,
      `${line({ ...call("prod", "edge-1"), from: "a/abc-1" })}\n`,
    );
    const { counts } = await replayAudit([`${dir}/a.jsonl`, `${dir}/b.jsonl`], { file: FILE });
    assert.equal(counts.refused + counts.allowed + counts.unknown + counts.unchanged, 2);
    assert.equal(counts.refused, 1);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
