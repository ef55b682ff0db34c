/**
 * A gRPC server that is reachable through this machine alone, as `--expose` and what goes with it say.
 *
 *     --expose payments=127.0.0.1:50051      TCP, HTTP/2 in plain text
 *     --expose payments=unix:/run/pay.sock   the same on a unix socket
 *     --expose payments=tls://10.1.2.3:443   TLS; with
 *       --upstream-ca-file payments=ca.crt          who signs its certificate, else the system's
 *       --upstream-server-name payments=pay.local   the name in it, else the host
 *       --upstream-cert-file payments=own.crt       the certificate that is shown to it
 *       --upstream-key-file payments=own.key        … and its key
 *     --upstream-token-file payments=FILE    `authorization: Bearer …` of each call that has none
 *
 * @module
 */
import { formatHostPort, type HostPort, parseHostPort } from "../../shared/cli/parse_host_port.ts";
import { UsageError } from "../../shared/cli/usage_error.ts";
import { isNamePart, NAME_PART_RULE } from "../../shared/registration/server_name.ts";

const HINT = "Write payments=127.0.0.1:50051, payments=unix:/run/payments.sock or " +
  "payments=tls://10.1.2.3:443";
/** `sun_path` of Linux has 108 bytes, the last one of which is NUL. */
const MAX_SOCKET_PATH = 107;

/** Where an upstream listens. */
export type UpstreamAddress = HostPort | { readonly path: string };

/** Files and names for an upstream with TLS. */
export interface UpstreamTls {
  readonly caFile?: string | undefined;
  readonly serverName?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

/** A local gRPC server, and the name under which the hub knows it. */
export interface ExposedUpstream {
  readonly name: string;
  readonly address: UpstreamAddress;
  /** @default none: HTTP/2 in plain text */
  readonly tls?: UpstreamTls;
  /** Holds the token that the upstream asks for. */
  readonly tokenFile?: string | undefined;
}

/**
 * Reads the value of `--expose`.
 *
 * @throws {UsageError} If it does not match.
 */
export function parseExpose(text: string): ExposedUpstream {
  const { name, value } = parseNamed(text, { form: "NAME=ADDRESS", hint: HINT });
  if (value.startsWith("unix:")) {
    const path = value.slice("unix:".length);
    if (path.startsWith("/") && path.length <= MAX_SOCKET_PATH) return { name, address: { path } };
    throw new UsageError(`"${text}" names no unix socket`, {
      hint: `Write its whole path, up to ${MAX_SOCKET_PATH} characters: ${name}=unix:/run/x.sock`,
    });
  }
  const tls = value.startsWith("tls://");
  const { host, port } = parseHostPort(tls ? value.slice("tls://".length) : value, {
    usualPort: tls ? 443 : 50051,
  });
  if (port === 0) throw new UsageError(`"${text}" has port 0`);
  const address = { host: host === "" ? "127.0.0.1" : host, port };
  return tls ? { name, address, tls: {} } : { name, address };
}

/** The value of an option that is one upstream's. */
export interface Named {
  readonly name: string;
  readonly value: string;
}

/** @throws {UsageError} If it is not `NAME=VALUE`. */
export function parseUpstreamOption(text: string): Named {
  return parseNamed(text, {
    form: "NAME=VALUE",
    hint: "Write payments=VALUE, with --expose payments=…",
  });
}

function parseNamed(
  text: string,
  { form, hint }: { readonly form: string; readonly hint: string },
): Named {
  const [, name = "", value = ""] = /^([^=]*)=(.+)$/s.exec(text) ?? [];
  if (isNamePart(name)) return { name, value };
  throw new UsageError(`"${text}" is not ${form}`, {
    hint: `${hint}; a name is ${NAME_PART_RULE}`,
  });
}

/** What the options that go with `--expose` say. */
export interface UpstreamOptions {
  readonly expose: readonly ExposedUpstream[];
  readonly upstreamCaFile: readonly Named[];
  readonly upstreamServerName: readonly Named[];
  readonly upstreamCertFile: readonly Named[];
  readonly upstreamKeyFile: readonly Named[];
  readonly upstreamTokenFile: readonly Named[];
}

/** Options that only mean something with TLS. */
const TLS_OPTIONS = {
  upstreamCaFile: ["--upstream-ca-file", "caFile"],
  upstreamServerName: ["--upstream-server-name", "serverName"],
  upstreamCertFile: ["--upstream-cert-file", "certFile"],
  upstreamKeyFile: ["--upstream-key-file", "keyFile"],
} as const;

/**
 * Upstreams with all that is said of them.
 *
 * @throws {UsageError} If something is said twice, or of an upstream that there is not.
 */
export function toUpstreams(options: UpstreamOptions): readonly ExposedUpstream[] {
  const upstreams = new Map<string, ExposedUpstream>();
  for (const upstream of options.expose) {
    const { name } = upstream;
    if (upstreams.has(name)) throw new UsageError(`--expose names "${name}" twice`);
    upstreams.set(name, upstream);
  }
  const find = (flag: string, name: string) => {
    const upstream = upstreams.get(name);
    if (upstream !== undefined) return upstream;
    throw new UsageError(`${flag} is for "${name}", which is not exposed`, {
      hint: `Add --expose ${name}=…`,
    });
  };
  for (const [key, [flag, field]] of Object.entries(TLS_OPTIONS)) {
    for (const { name, value } of options[key as keyof typeof TLS_OPTIONS]) {
      const { tls, ...rest } = find(flag, name);
      if (tls === undefined) {
        throw new UsageError(`${flag} is for "${name}", which is exposed without TLS`, {
          hint: `Write --expose ${name}=tls://…`,
        });
      }
      if (tls[field] !== undefined) throw new UsageError(`${flag} names "${name}" twice`);
      upstreams.set(name, { ...rest, tls: { ...tls, [field]: value } });
    }
  }
  for (const { name, value } of options.upstreamTokenFile) {
    const upstream = find("--upstream-token-file", name);
    if (upstream.tokenFile !== undefined) {
      throw new UsageError(`--upstream-token-file names "${name}" twice`);
    }
    upstreams.set(name, { ...upstream, tokenFile: value });
  }
  for (const { name, tls } of upstreams.values()) {
    if (tls?.keyFile !== undefined && tls.certFile === undefined) {
      throw new UsageError(`--upstream-key-file of "${name}" needs --upstream-cert-file`);
    }
  }
  return [...upstreams.values()];
}

/** For messages: `upstream "payments" at tls://10.1.2.3:443`. */
export function describeUpstream({ name, address, tls }: ExposedUpstream): string {
  const where = "path" in address
    ? `unix:${address.path}`
    : `${tls === undefined ? "" : "tls://"}${formatHostPort(address)}`;
  return `upstream "${name}" at ${where}`;
}
