/**
 * The hub at which a failed call was made, as its failure tells it.
 *
 * @module
 */
import { formatHostPort } from "../../shared/cli/parse_host_port.ts";
import type { HubAddress } from "./attempt.ts";
import type { CallFailure } from "./failure.ts";
import type { CallRoute } from "./route.ts";

/** @param hub Of several hubs, the one whose answer counts. @default the route's first one */
export function askedHub(
  route: CallRoute,
  hub: Pick<HubAddress, "address" | "tls"> = route,
): Pick<CallFailure, "address" | "secure" | "hasToken"> {
  return {
    address: formatHostPort(hub.address),
    secure: hub.tls !== undefined,
    hasToken: route.token !== undefined,
  };
}
