import assert from "node:assert/strict";
import { FaultyFileError } from "../../shared/files/faulty_file_error.ts";
import type { ProofKind } from "../../shared/vouchers/voucher.ts";
import { parsePolicy } from "./policy_file.ts";

const policy = parsePolicy(
  "policy.yaml",
  `
version: 1
rules:
  - { operators: root, methods: "*", effect: allow }
  - { operators: root, upstreams: "**", methods: "*", effect: allow }
  - { operators: [alice, soc-*], methods: /a.B/Get*, effect: allow }
  - { operators: alice, upstreams: pay*, methods: /p.P/Pay, effect: allow }
  - { operators: alice, upstreams: books, methods: "*", effect: allow }
  - { operators: alice, by: certificate, methods: /a.B/Stop, effect: allow }
  - { operators: alice, by: [loopback], methods: /a.B/GetSecret, effect: deny }
  - { operators: "*", methods: /a.B/Wipe*, effect: deny }
  - { operators: SOC-9, methods: "*", effect: deny }
  - { operators: alice, upstreams: "Books", methods: /p.P/Burn, effect: deny }
`,
);

Deno.test("Policy.allows() as its table says", async (t) => {
  const rows: [operator: string, how: ProofKind, upstream: string, path: string, may: boolean][] = [
    ["root", "token", "", "/a.B/Get", true],
    ["root", "token", "", "/any.Thing/AtAll", true],
    ["root", "token", "", "/a.B/Wipe", false],
    ["root", "token", "", "/a.B/wipeALL", false],
    ["root", "token", "", "/a.B//Wipe", false],
    ["root", "token", "payments", "/p.P/Pay", true],
    ["root", "token", "payments", "/a.B/Wipe", false],
    ["root", "token", "payments", "*", false],
    ["root", "token", "", "*", false],
    ["Root", "token", "", "/a.B/Get", false],
    ["roots", "token", "", "/a.B/Get", false],
    ["", "token", "", "/a.B/Get", false],
    ["*", "token", "", "/a.B/Get", false],
    ["alice", "token", "", "/a.B/Get", true],
    ["alice", "token", "", "/a.B/GetSecret", true],
    ["alice", "loopback", "", "/a.B/GetSecret", false],
    ["alice", "loopback", "", "/a.B/getsecret", false],
    ["alice", "token", "", "/a.B/get", false],
    ["alice", "token", "", "/a.B/Set", false],
    ["alice", "token", "", "/a.B/Stop", false],
    ["alice", "jwt", "", "/a.B/Stop", false],
    ["alice", "certificate", "", "/a.B/Stop", true],
    ["alice", "token", "", "/p.P/Pay", false],
    ["alice", "token", "payments", "/p.P/Pay", true],
    ["alice", "token", "pay", "/p.P/Pay", true],
    ["alice", "token", "payments", "/a.B/Get", false],
    ["alice", "token", "repay", "/p.P/Pay", false],
    ["alice", "token", "books", "/any.Thing/AtAll", true],
    ["alice", "token", "books", "/a.B/Wipe", false],
    ["alice", "token", "books", "/p.P/Burn", false],
    ["alice", "token", "payments/books", "/p.P/Pay", false],
    ["soc-1", "jwt", "", "/a.B/Get", true],
    ["soc-1", "jwt", "payments", "/a.B/Get", false],
    ["soc-9", "jwt", "", "/a.B/Get", false],
    ["mallory", "certificate", "", "/a.B/Get", false],
  ];
  for (const [operator, how, upstream, path, may] of rows) {
    await t.step(`${operator} by ${how} ${may ? "may" : "may not"} ${upstream} ${path}`, () => {
      assert.equal(policy.allows({ operator, how }, { upstream, path }), may);
    });
  }
});

Deno.test("Policy.allows() every method only where nothing is denied", () => {
  const all = (operator: string, upstream: string) =>
    policy.allows({ operator, how: "token" }, { upstream });
  // A deny rule about the server is one about its upstreams.
  assert.equal(all("root", ""), false);
  assert.equal(all("alice", "books"), false);
  const narrow = parsePolicy(
    "policy.yaml",
    `
version: 1
rules:
  - { operators: alice, upstreams: books, methods: "*", effect: allow }
  - { operators: alice, upstreams: payments, methods: /p.P/*, effect: allow }
  - { operators: alice, upstreams: secret, methods: "*", effect: deny }
`,
  );
  const may = (upstream: string) =>
    narrow.allows({ operator: "alice", how: "token" }, { upstream });
  assert.deepEqual(["books", "payments", "secret", ""].map(may), [true, false, false, false]);
});

Deno.test("Policy.knows() who may call something of the server's own", () => {
  const knows = (operator: string) => policy.knows({ operator, how: "token" });
  assert.deepEqual(["root", "alice", "soc-1", "soc-9", "mallory"].map(knows), [
    true,
    true,
    true,
    false,
    false,
  ]);
});

Deno.test("parsePolicy() tells what is wrong, and where", async (t) => {
  const rows: [what: string, text: string, says: RegExp][] = [
    ["nothing", "", /policy.yaml:1:1: must be a mapping/],
    ["no version", "rules: []", /must begin with version: 1/],
    ["another version", "version: 2\nrules: []", /:1:10: version: must be 1/],
    ["no rules", "version: 1", /must have rules/],
    ["rules that are no list", "version: 1\nrules: all", /:2:8: rules: must be a list/],
    [
      "an auth file",
      "version: 1\noperators: []",
      /operators: is unknown here; known are: version, rules/,
    ],
    [
      "no operators",
      'version: 1\nrules: [{ methods: "*", effect: allow }]',
      /rules\[0\]: must have operators/,
    ],
    ["no methods", "version: 1\nrules: [{ operators: a, effect: allow }]", /must have methods/],
    ["no effect", 'version: 1\nrules: [{ operators: a, methods: "*" }]', /must have effect/],
    [
      "an unknown effect",
      'version: 1\nrules: [{ operators: a, methods: "*", effect: maybe }]',
      /allow or deny/,
    ],
    [
      "an unknown proof",
      'version: 1\nrules: [{ operators: a, by: hearsay, methods: "*", effect: allow }]',
      /must be loopback or token or jwt or certificate/,
    ],
    [
      "a method without a slash",
      "version: 1\nrules: [{ operators: a, methods: Stop, effect: deny }]",
      /methods: must be \* \(every method\)/,
    ],
    [
      "servers, as in an auth file",
      'version: 1\nrules: [{ operators: a, servers: b, methods: "*", effect: deny }]',
      /servers: is unknown here/,
    ],
    [
      "an operator twice",
      'version: 1\nrules: [{ operators: a, operators: b, methods: "*", effect: deny }]',
      /is there twice/,
    ],
    ["no YAML", "version: [", /policy.yaml:1:/],
  ];
  for (const [what, text, says] of rows) {
    await t.step(what, () => {
      assert.throws(
        () => parsePolicy("policy.yaml", text),
        (error) => error instanceof FaultyFileError && says.test(error.message),
      );
    });
  }
});
