/**
 * Metadata as programs have it: plain values, by name.
 *
 * @module
 */
import { CallMetadata } from "../../shared/grpc/call_metadata.ts";

/** Text; bytes for names that end in `-bin`. */
export type HubMetadataValue = string | Uint8Array;

/** What came with an answer: all values of each name, names in lower case. */
export type HubMetadata = ReadonlyMap<string, readonly HubMetadataValue[]>;

/** What is sent with a call: a value, or several, of each name. */
export type GivenMetadata = Readonly<
  Record<string, HubMetadataValue | readonly HubMetadataValue[]>
>;

/** What came; nothing, when nothing did. */
export function toHubMetadata(metadata: CallMetadata | undefined): HubMetadata {
  return new Map(metadata?.keys().map((name) => [name, metadata.get(name)]));
}

/** @throws {TypeError} If a name or a value cannot travel. */
export function toCallMetadata(given: GivenMetadata): CallMetadata {
  const metadata = new CallMetadata();
  for (const [name, values] of Object.entries(given)) {
    const list = typeof values === "string" || values instanceof Uint8Array ? [values] : values;
    for (const value of list) metadata.add(name, value);
  }
  return metadata;
}
