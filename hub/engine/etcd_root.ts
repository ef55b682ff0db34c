/**
 * The descriptors of what the hub asks of etcd. Not among those of `shared/grpc/root.ts`: a hub alone, a
 * server and a client would pay for them at each start, and keep them.
 *
 * @module
 */
import protobuf from "protobufjs";
import { etcdRootJson } from "../../shared/gen/etcd_root.ts";

/** Resolved once; never add to it. */
export const etcdRoot: protobuf.Root = protobuf.Root.fromJSON(etcdRootJson);
etcdRoot.resolveAll();
