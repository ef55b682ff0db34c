/**
 * The descriptors of every message and service in `proto/`, and of the
 * `google.protobuf` types that they use.
 *
 * @module
 */
import protobuf from "protobufjs";
import { rootJson } from "../gen/root.ts";

/** Resolved once, shared by all; never add to it. */
export const root: protobuf.Root = protobuf.Root.fromJSON(rootJson);
root.resolveAll();
