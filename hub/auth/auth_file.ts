/**
 * The auth file: who may register which names, and who may call what. docs/security.md shows one.
 *
 *     file      → { version: 1, allowLoopback?, issuers?: [issuer], servers?: [server], operators?: [operator] }
 *     server    → { id, credentials, names: [pattern], labels?: { pattern: [pattern] } }
 *     operator  → { id, credentials, rules: [rule] }
 *     rule      → { servers: [pattern], labels?: { key: [pattern] }, methods: [pattern], effect: allow | deny }
 *     credentials → tokens: [token]  and/or  jwt: [claim]  and/or  certificates: [san]
 *     token     → sha256:<64 hex>  or  { sha256: <64 hex>, expires?: moment }
 *     claim     → { issuer: name, claims: { claim: pattern } }
 *     san       → dns:…  uri:…  email:…  ip:…          a pattern
 *
 * @module
 */
import {
  readEffectAndMethods,
  readGlob,
  readGlobs,
  readingOf,
  readVersion,
  requireFields,
} from "../../shared/rules/elements.ts";
import { type Glob, glob } from "../../shared/rules/glob.ts";
import { type Issuer, readIssuer } from "./issuer.ts";
import { atOnce, type Steps } from "../../shared/async/steps.ts";
import type { Rule } from "../../shared/rules/rules.ts";
import { readEach, readYamlFile, type YamlElement } from "../../shared/rules/yaml_element.ts";

/** Larger files are refused. Three thousand servers with a token each have 400 KB. */
export const MAX_AUTH_FILE_BYTES = 1024 * 1024;

/** A token, of which only the hash is known. */
export interface TokenHash {
  /** Hexadecimal, lower case. */
  readonly sha256: string;
  readonly expiresAtMs: number | undefined;
}

/** A JWT of an issuer whose claims all match. */
export interface ClaimMatch {
  readonly issuer: string;
  readonly claims: ReadonlyMap<string, Glob>;
}

/** What proves that somebody is it. One of them is enough. */
export interface Credentials {
  readonly tokens: readonly TokenHash[];
  readonly jwt: readonly ClaimMatch[];
  readonly certificates: readonly Glob[];
}

export interface ServerEntry extends Credentials {
  readonly id: string;
  /** Patterns; `{sub}` stands for the claim of a JWT, `{san}` for the name in a certificate. */
  readonly names: readonly string[];
  /** Keys and values that may be claimed as labels. */
  readonly labels: readonly { readonly key: Glob; readonly values: readonly Glob[] }[];
}

export interface OperatorEntry extends Credentials {
  readonly id: string;
  readonly rules: readonly Rule[];
}

export interface AuthFile {
  /** Whether the hub's own machine needs no credential. */
  readonly allowLoopback: boolean;
  readonly issuers: readonly Issuer[];
  readonly servers: readonly ServerEntry[];
  readonly operators: readonly OperatorEntry[];
}

/** It stands in headers and in audit lines. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$/;
/** Names that the hub gives to those who are in no file. */
const RESERVED: readonly string[] = ["loopback", "hub"];
const HASH = /^(?:sha256:)?([0-9a-f]{64})$/;
const SAN = /^(?:dns|uri|email|ip):./;

/**
 * Reads an auth file's text.
 *
 * @param path For messages, and for the files that it names.
 * @throws {FaultyFileError} That tells all faults with their places.
 */
export function parseAuthFile(path: string, text: string): AuthFile {
  return atOnce(authFileSteps(path, text));
}

/** The same in small steps, for a caller that must serve others meanwhile. */
export function authFileSteps(path: string, text: string): Steps<AuthFile> {
  return readYamlFile(path, text, function* (root) {
    const { version, allowLoopback, issuers, servers, operators } = root.fields(
      "version",
      "allowLoopback",
      "issuers",
      "servers",
      "operators",
    );
    readVersion(root, version);
    const file: AuthFile = {
      allowLoopback: allowLoopback?.boolean() ?? false,
      issuers: yield* readEach(issuers?.items() ?? [], readIssuer),
      servers: yield* readEach(servers?.items() ?? [], readServer),
      operators: yield* readOperators(operators?.items() ?? []),
    };
    unique(file.issuers.map(({ id }) => id), issuers, "issuers[].id");
    if (file.issuers.filter(({ login }) => login !== undefined).length > 1) {
      issuers?.fault("only one of them can have login: the hub tells operators one place");
    }
    unique(file.servers.map(({ id }) => id), servers, "servers[].id");
    unique(file.operators.map(({ id }) => id), operators, "operators[].id");
    const entries = [...file.servers, ...file.operators];
    unique(entries.flatMap(({ tokens }) => tokens.map(({ sha256 }) => sha256)), root, "tokens");
    for (const { id, jwt } of entries) {
      for (const { issuer } of jwt) {
        if (file.issuers.some((one) => one.id === issuer)) continue;
        root.fault(`"${id}" names issuer "${issuer}", which is not among the issuers`);
      }
    }
    return file;
  });
}

/** With a value that is there twice, chance would decide which entry somebody is. */
function unique(values: readonly string[], element: YamlElement | undefined, what: string): void {
  const seen = new Set<string>();
  for (const value of values) {
    if (seen.has(value)) element?.fault(`${what}: "${value.slice(0, 12)}" is there twice`);
    seen.add(value);
  }
}

const CREDENTIALS = ["tokens", "jwt", "certificates"] as const;

function readServer(element: YamlElement): ServerEntry {
  const fields = element.fields("id", ...CREDENTIALS, "names", "labels");
  if (fields.names === undefined) element.fault("must have names: those that it may register");
  const names = fields.names?.oneOrMore().map((name) => {
    const pattern = name.text();
    // Checked as it is once its placeholders are filled.
    name.attempt(() => glob(pattern.replace(/\{[A-Za-z_]+\}/g, "x") || "x"), undefined);
    return pattern;
  });
  const labels = fields.labels?.entries().map(([key, values]) => ({
    key: readGlob(values, key),
    values: readGlobs(values),
  }));
  return {
    id: readId(element, fields.id),
    ...readCredentials(element, fields),
    names: names ?? [],
    labels: labels ?? [],
  };
}

/** Each may have thousands of rules. */
function* readOperators(elements: readonly YamlElement[]): Steps<OperatorEntry[]> {
  const operators: OperatorEntry[] = [];
  for (const element of elements) operators.push(yield* readOperator(element));
  return operators;
}

function* readOperator(element: YamlElement): Steps<OperatorEntry> {
  const fields = element.fields("id", ...CREDENTIALS, "rules");
  if (fields.rules === undefined) {
    element.fault("must have rules: without one it may call nothing");
  }
  return {
    id: readId(element, fields.id),
    ...readCredentials(element, fields),
    rules: yield* readEach(fields.rules?.items() ?? [], readRule),
  };
}

function readRule(element: YamlElement): Rule {
  const { servers, labels, methods, effect } = element.fields(
    "servers",
    "labels",
    "methods",
    "effect",
  );
  requireFields(element, { servers, methods, effect });
  const what = readEffectAndMethods({ effect, methods });
  const reading = readingOf(what);
  return {
    ...what,
    servers: servers === undefined ? [] : readGlobs(servers, reading),
    labels: new Map(labels?.entries().map(([key, values]) => [key, readGlobs(values, reading)])),
  };
}

function readId(element: YamlElement, field: YamlElement | undefined): string {
  if (field === undefined) {
    element.fault("must have an id, by which logs and the audit name it");
    return "";
  }
  const id = field.text();
  if (id !== "" && !ID.test(id)) {
    field.fault("must be 1 to 128 of A-Z a-z 0-9 . _ @ - and begin with a letter or digit");
  }
  if (RESERVED.includes(id)) field.fault("is a name that the hub itself gives");
  return id;
}

function readCredentials(
  element: YamlElement,
  fields: Partial<Record<typeof CREDENTIALS[number], YamlElement>>,
): Credentials {
  const { tokens, jwt, certificates } = fields;
  if (tokens === undefined && jwt === undefined && certificates === undefined) {
    element.fault("must have tokens, jwt or certificates: nobody could prove to be it");
  }
  return {
    tokens: tokens?.items().map(readToken) ?? [],
    jwt: jwt?.oneOrMore().map(readClaims) ?? [],
    certificates: certificates?.oneOrMore().map((name) => {
      const text = name.text();
      if (text !== "" && !SAN.test(text)) {
        name.fault("must be a name in the certificate: dns:…, uri:…, email:… or ip:…");
      }
      return readGlob(name, text);
    }) ?? [],
  };
}

function readToken(element: YamlElement): TokenHash {
  const { sha256, expires } = element.isMapping
    ? element.fields("sha256", "expires")
    : { sha256: element, expires: undefined };
  const hash = HASH.exec(sha256?.text() ?? "")?.[1];
  if (hash === undefined) {
    // Not shown: it could be the token itself.
    (sha256 ?? element).fault("must be sha256:<64 hex digits>, as ghub auth hash prints it");
  }
  return { sha256: hash ?? "", expiresAtMs: expires?.moment() };
}

function readClaims(element: YamlElement): ClaimMatch {
  const { issuer, claims } = element.fields("issuer", "claims");
  if (issuer === undefined) element.fault("must have issuer, the id of one of the issuers");
  const entries = claims?.entries() ?? [];
  if (entries.length === 0) {
    element.fault("must have claims: else every token of this issuer would do");
  }
  return {
    issuer: issuer?.text() ?? "",
    claims: new Map(entries.map(([claim, value]) => [claim, readGlob(value, value.text())])),
  };
}
