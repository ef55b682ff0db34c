/**
 * Links over TCP and TLS, as from machine to machine. What proves hubs may come from files, and change
 * while they run.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import type { ReloadPart } from "../../shared/cli/reload.ts";
import type { HubListener } from "../net/listen.ts";
import { type PeerCredentials, PeerDialler } from "./peer_dial.ts";
import { PeerFiles } from "./peer_files.ts";
import type { ListenerProof } from "./peer_listener.ts";
import { peerCredentials, type PeerOptions, type PeerWay } from "./peer_port.ts";
import { certificateHash } from "./peer_proof.ts";

export interface TlsWayOptions extends Pick<PeerOptions, "reread"> {
  /** Where other hubs dial: it shows the certificate. */
  readonly listener: Pick<HubListener, "use">;
}

export class TlsWay implements PeerWay {
  readonly dialler: PeerDialler;
  readonly #listener: TlsWayOptions["listener"];
  readonly #files: PeerFiles | undefined;
  #credentials: PeerCredentials;
  #proof: ListenerProof;

  constructor(credentials: PeerCredentials, { listener, reread }: TlsWayOptions) {
    this.dialler = new PeerDialler(credentials);
    this.#listener = listener;
    this.#credentials = credentials;
    this.#proof = proofOf(credentials);
    this.#files = reread && new PeerFiles({
      current: credentials,
      load: async () => {
        const { identity = this.#credentials, ...rest } = await reread();
        // A certificate of its own making stays: the secret vouches for it.
        return await peerCredentials({ ...rest, identity });
      },
      use: (fresh) => this.#use(fresh),
    });
  }

  get proof(): ListenerProof {
    return this.#proof;
  }

  get reloadPart(): ReloadPart | undefined {
    const files = this.#files;
    return files && {
      what: "secret, certificate and authorities of links",
      look: async () => await files.look() ? "in use for new links, changed" : "unchanged",
    };
  }

  close(): void {
    this.#files?.[Symbol.dispose]();
  }

  #use(credentials: PeerCredentials): void {
    const { cert, key, ca } = credentials;
    const proof = proofOf(credentials);
    this.dialler.use(credentials);
    try {
      this.#listener.use?.({ cert, key, clientCa: ca });
    } catch (error) {
      this.dialler.use(this.#credentials);
      throw error;
    }
    this.#credentials = credentials;
    this.#proof = proof;
  }
}

function proofOf({ cert, secret, ca }: PeerCredentials): ListenerProof {
  const certificate = certificateHash(new X509Certificate(cert).raw);
  return { secret, needsCertificate: ca !== undefined, certificate };
}
