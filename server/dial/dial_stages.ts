/**
 * What a dial is waiting for, so that a firewall that swallows packets is not silent in our log:
 *
 *     resolve hub.example ─▶ connect to 192.0.2.1:443 ─▶ TLS handshake ─▶ upgrade at /ws
 *     CONNECT through the proxy http://proxy:3128 ──────▶ TLS handshake ─▶ upgrade at /ws
 *
 * @module
 */
import { lookup, type LookupAddress, type LookupOptions } from "node:dns";
import type { ClientRequest } from "node:http";
import { isIP, type Socket } from "node:net";
import { formatHostPort } from "../../shared/cli/parse_host_port.ts";
import { bareHost } from "../../shared/net/bare_host.ts";
import type { HostAndPort } from "../../shared/net/no_proxy.ts";
import { targetOf } from "../../shared/net/proxy.ts";

/** Called with each stage when it begins: `connect to 192.0.2.1:443`. */
export type OnStage = (stage: string) => void;

/** Options of {@linkcode watchStages}. */
export interface WatchStagesOptions {
  readonly hubUri: URL;
  /** The connection is there already, through a proxy. */
  readonly carried: boolean;
  readonly onStage: OnStage;
}

/** Tells the stages of a request that is about to be sent. */
export function watchStages(
  request: ClientRequest,
  { hubUri, carried, onStage }: WatchStagesOptions,
): void {
  const { host, port } = targetOf(hubUri);
  const secure = hubUri.protocol === "wss:";
  const connected = () => onStage(secure ? `TLS handshake with ${hubUri.host}` : upgradeAt(hubUri));
  if (carried) connected();
  else onStage(firstStage({ host, port }));
  request.once("socket", (socket: Socket) => {
    if (!carried) socket.once("connect", connected);
    if (secure) socket.once("secureConnect", () => onStage(upgradeAt(hubUri)));
  });
}

type Resolved = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

/** Finds the addresses of a name, as `node:dns` does. */
export type Lookup = (host: string, options: LookupOptions, done: Resolved) => void;

/**
 * Resolves a name for a socket, and tells its addresses: they are tried one after the other. The
 * socket's own "lookup" event may come before anybody can listen to it.
 *
 * @param options.lookup Which addresses there are. @default what the system says
 */
export function tellingLookup(
  { port }: HostAndPort,
  { onStage, lookup: find = lookup as Lookup }: {
    readonly onStage: OnStage;
    readonly lookup?: Lookup;
  },
): Lookup {
  return (host, options, done) => {
    find(host, options, (error, address, family) => {
      if (error === null) {
        const all = typeof address === "string" ? [{ address }] : address as LookupAddress[];
        const places = all.map(({ address }) => formatHostPort({ host: address, port }));
        onStage(`connect to ${[...new Set(places)].join(", ")}`);
      }
      done(error, address, family);
    });
  };
}

/** Takes one address for every name: the certificate is still that of the name. */
export function lookupOne(address: string): Lookup {
  return (_, { all }, done) => {
    const family = isIP(address);
    if (all) done(null, [{ address, family }]);
    else done(null, address, family);
  };
}

function firstStage({ host, port }: HostAndPort): string {
  const bare = bareHost(host);
  return isIP(bare) === 0
    ? `resolve ${host}`
    : `connect to ${formatHostPort({ host: bare, port })}`;
}

function upgradeAt({ pathname }: URL): string {
  return `upgrade at ${pathname}`;
}
