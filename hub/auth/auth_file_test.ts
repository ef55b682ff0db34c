import assert from "node:assert/strict";
import { parseAuthFile } from "./auth_file.ts";
import { RuleGrant } from "../../shared/rules/rules.ts";
import { FaultyFileError } from "../../shared/files/faulty_file_error.ts";

const HASH = `sha256:${"a".repeat(64)}`;
const OTHER = `sha256:${"b".repeat(64)}`;

Deno.test("parseAuthFile() reads a whole file", () => {
  const file = parseAuthFile(
    "auth.yaml",
    `
version: 1
allowLoopback: true
issuers:
  - id: corp
    issuer: https://id.example
    audience: [ghub, other]
    algorithms: [RS256, ES256]
    keysUrl: https://id.example/jwks
servers:
  - id: edges
    tokens:
      - ${HASH}
      - { sha256: ${"b".repeat(64)}, expires: 2030-01-31T12:00Z }
    jwt: { issuer: corp, claims: { role: edge } }
    certificates: ["dns:*.edges.example", "uri:spiffe://corp/edge"]
    names: [edge-*, "plant-{sub}"]
    labels: { env: [prod, dev], "team-*": "**" }
operators:
  - id: alice@soc
    jwt:
      - { issuer: corp, claims: { sub: alice } }
    rules:
      - { servers: edge-*, labels: { env: prod }, methods: "*", effect: allow }
      - { servers: [edge-9], methods: [/fluentd.v1.Fluentd/Stop], effect: deny }
`,
  );
  assert.equal(file.allowLoopback, true);
  const [issuer] = file.issuers;
  assert.deepEqual({ ...issuer, keysUrl: issuer!.keysUrl?.href }, {
    id: "corp",
    issuer: "https://id.example",
    audience: ["ghub", "other"],
    algorithms: ["RS256", "ES256"],
    keysFile: undefined,
    keysUrl: "https://id.example/jwks",
    clockSkewS: 30,
  });
  const [server] = file.servers;
  assert.deepEqual(server!.tokens, [
    { sha256: "a".repeat(64), expiresAtMs: undefined },
    { sha256: "b".repeat(64), expiresAtMs: Date.UTC(2030, 0, 31, 12) },
  ]);
  assert.deepEqual(server!.names, ["edge-*", "plant-{sub}"]);
  assert.ok(server!.labels.some(({ key }) => key.matches("team-a")));
  const [operator] = file.operators;
  assert.deepEqual(operator!.rules.map(({ effect }) => effect), ["allow", "deny"]);
  assert.ok(operator!.rules[1]!.methods[0]!.matches("/FLUENTD.v1.fluentd/stop"));
  assert.ok(!operator!.rules[0]!.servers[0]!.matches("edge-1/payments"));
});

Deno.test("parseAuthFile() has deny rules ignore case in all that they name, and allow rules in nothing", () => {
  const grantOf = (rules: string) => {
    const yaml = `version: 1\noperators: [{ id: o, tokens: ["${HASH}"], rules: [${rules}] }]`;
    return new RuleGrant(parseAuthFile("auth.yaml", yaml).operators[0]!.rules);
  };
  const all = '{ servers: "**", methods: "*", effect: allow }';
  const edge = { name: "edge-1", labels: { env: "prod" } };
  for (const where of ["servers: Edge-*", 'servers: "**", labels: { env: Prod }']) {
    const denied = grantOf(`${all}, { ${where}, methods: "*", effect: deny }`);
    assert.equal(denied.mayCall(edge, "/a.B/C"), false, where);
    assert.equal(denied.mayCallAll(edge), false, where);
    const allowed = grantOf(`{ ${where}, methods: "*", effect: allow }`);
    assert.equal(allowed.mayCall(edge, "/a.B/C"), false, where);
  }
});

const SERVER = `{ id: a, tokens: ["${HASH}"], names: [a] }`;
const rule = (text: string) => `operators: [{ id: o, tokens: ["${HASH}"], rules: [{ ${text} }] }]`;
const issuer = (text: string) => `issuers: [{ id: i, issuer: x, audience: y, ${text} }]`;

Deno.test("parseAuthFile() tells each fault with its place", async (t) => {
  const table: [what: string, yaml: string, says: RegExp][] = [
    ["two documents", "version: 1\n---\nversion: 1\n", /:2:1: a second document begins here/],
    ["no YAML", "a: [", /auth\.yaml:\d+:\d+: /],
    ["no mapping", "- a", /auth\.yaml:1:1: must be a mapping/],
    ["no version", "servers: []", /must begin with version: 1/],
    ["another version", "version: 2", /auth\.yaml:1:10: version: must be 1/],
    [
      "an unknown key",
      "version: 1\nserver: []",
      /auth\.yaml:2:9: server: is unknown here; known are/,
    ],
    ["a key twice", "version: 1\nservers: []\nservers: []", /auth\.yaml:3/],
    ["an alias that is none", "version: 1\nservers: *", /auth\.yaml:2/],
    ["servers that are no list", "version: 1\nservers: x", /servers: must be a list/],
    ["loopback maybe", "version: 1\nallowLoopback: maybe", /allowLoopback: must be true or false/],
    ["loopback as a text", 'version: 1\nallowLoopback: "true"', /must be true or false/],
    ["no id", "version: 1\nservers: [{ tokens: [], names: [a] }]", /servers\[0\]: must have an id/],
    [
      "a bad id",
      `version: 1\nservers: [{ id: "a b", tokens: [], names: [a] }]`,
      /servers\[0\]\.id: must be 1 to 128/,
    ],
    [
      "the hub's own id",
      `version: 1\nservers: [{ id: loopback, tokens: [], names: [a] }]`,
      /name that the hub itself gives/,
    ],
    [
      "an id twice",
      `version: 1\nservers: [${SERVER}, { id: a, tokens: ["${OTHER}"], names: [b] }]`,
      /"a" is there twice/,
    ],
    [
      "a token twice",
      `version: 1\nservers: [${SERVER}]\noperators: [{ id: o, tokens: ["${HASH}"], rules: [] }]`,
      /tokens: "aaaaaaaaaaaa" is there twice/,
    ],
    [
      "no credential",
      "version: 1\nservers: [{ id: a, names: [a] }]",
      /must have tokens, jwt or certificates/,
    ],
    [
      "a token in plain",
      "version: 1\nservers: [{ id: a, tokens: [hunter2], names: [a] }]",
      /tokens\[0\]: must be sha256/,
    ],
    [
      "a hash cut short",
      "version: 1\nservers: [{ id: a, tokens: [sha256:abc], names: [a] }]",
      /must be sha256/,
    ],
    [
      "a bad date",
      `version: 1\nservers: [{ id: a, tokens: [{ sha256: "${HASH}", expires: soon }], names: [a] }]`,
      /expires: must be like 2027-01-31/,
    ],
    ["no names", `version: 1\nservers: [{ id: a, tokens: ["${HASH}"] }]`, /must have names/],
    [
      "a bad pattern",
      `version: 1\nservers: [{ id: a, tokens: ["${HASH}"], names: ["***"] }]`,
      /names\[0\]: \*\*\* is no pattern/,
    ],
    [
      "a certificate's name of no kind",
      "version: 1\nservers: [{ id: a, certificates: edge.example, names: [a] }]",
      /certificates: must be a name in the certificate/,
    ],
    [
      "a JWT of any claims",
      "version: 1\nservers: [{ id: a, jwt: { issuer: i }, names: [a] }]",
      /must have claims: else every token/,
    ],
    [
      "an issuer that is none",
      "version: 1\nservers: [{ id: a, jwt: { issuer: i, claims: { a: b } }, names: [a] }]",
      /"a" names issuer "i"/,
    ],
    ["no rules", `version: 1\noperators: [{ id: o, tokens: ["${HASH}"] }]`, /must have rules/],
    [
      "no effect",
      `version: 1\n${rule('servers: a, methods: "*"')}`,
      /rules\[0\]: must have effect/,
    ],
    [
      "a wrong effect",
      `version: 1\n${rule('servers: a, methods: "*", effect: permit')}`,
      /effect: must be allow or deny/,
    ],
    ["no servers", `version: 1\n${rule('methods: "*", effect: deny')}`, /must have servers/],
    ["no methods", `version: 1\n${rule("servers: a, effect: deny")}`, /must have methods/],
    [
      "a method without its slash",
      `version: 1\n${rule("servers: a, methods: Stop, effect: deny")}`,
      /methods: must be \* \(every method\)/,
    ],
    ["no keys", `version: 1\n${issuer("algorithms: RS256")}`, /must have keysFile or keysUrl/],
    [
      "keys from two places",
      `version: 1\n${issuer("algorithms: RS256, keysFile: a, keysUrl: https://b")}`,
      /one of them/,
    ],
    [
      "keys in plain text",
      `version: 1\n${issuer("algorithms: RS256, keysUrl: http://id.example/")}`,
      /keysUrl: must be an https/,
    ],
    [
      "no algorithm",
      `version: 1\n${issuer("algorithms: none, keysFile: a")}`,
      /algorithms: must be one of HS256/,
    ],
    [
      "secret and public mixed",
      `version: 1\n${issuer("algorithms: [HS256, RS256], keysFile: a")}`,
      /must not mix HS/,
    ],
    [
      "a secret from a key set",
      `version: 1\n${issuer("algorithms: HS256, keysUrl: https://b")}`,
      /cannot be used with HS/,
    ],
    [
      "clocks far apart",
      `version: 1\n${issuer("algorithms: RS256, keysFile: a, clockSkewS: 9999")}`,
      /must be 0 to 300 seconds/,
    ],
    [
      "a login without a client",
      `version: 1\n${issuer("algorithms: RS256, keysFile: a, login: { scopes: openid }")}`,
      /login: must have clientId/,
    ],
    [
      "a login in plain text",
      `version: 1\n${issuer("algorithms: RS256, keysFile: a, login: { clientId: c }")}`
        .replace("https://id.example", "http://id.example"),
      /issuer: must be an https/,
    ],
    [
      "a login by another token",
      `version: 1\n${
        issuer("algorithms: RS256, keysFile: a, login: { clientId: c, token: code }")
      }`,
      /token: must be access or id/,
    ],
    [
      "several scopes as one",
      `version: 1\n${
        issuer('algorithms: RS256, keysFile: a, login: { clientId: c, scopes: "openid email" }')
      }`,
      /scopes: must be one scope/,
    ],
    [
      "two places to log in",
      "version: 1\nissuers:\n" +
      ["a", "b"].map((id) =>
        `  - { id: ${id}, issuer: "https://${id}.example", audience: g, algorithms: RS256, ` +
        `keysFile: k, login: { clientId: c } }\n`
      ).join(""),
      /only one of them can have login/,
    ],
  ];
  for (const [what, yaml, says] of table) {
    await t.step(what, () => {
      assert.throws(() => parseAuthFile("auth.yaml", yaml), (error: Error) => {
        assert.ok(error instanceof FaultyFileError, String(error));
        assert.match(error.message, says);
        assert.ok(!error.message.includes("hunter2"), "it could be a secret");
        return true;
      });
    });
  }
});

Deno.test("parseAuthFile() tells all faults at once, in the order of the file", () => {
  assert.throws(
    () => parseAuthFile("auth.yaml", "version: 3\nservers: x\noperators: y\nmore: z\n"),
    ({ faults }: FaultyFileError) => {
      assert.deepEqual(faults.map((line) => line.split(":")[1]), ["1", "2", "3", "4"]);
      return true;
    },
  );
});
