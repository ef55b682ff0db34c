/**
 * What a server says of itself in the headers of its upgrade request: docs/protocol.md §2.2, §2.3.
 *
 *     X-Hub-Meta-Name      edge-1                  or  edge-1/payments
 *     X-Hub-Meta-Labels    env=prod,site=ams       → { env: "prod", site: "ams" }
 *     X-Hub-Meta-Instance  5f0c…                   a UUID
 *     X-Hub-Meta-Version   0.1.0
 *
 * What names and labels may be stands in `shared/registration`.
 *
 * @module
 */
import { parseLabels } from "../../shared/registration/labels.ts";
import { quote } from "../../shared/text/quote.ts";
import { isServerName, NAME_RULE } from "../../shared/registration/server_name.ts";
import type { Refusal } from "../registry/refusal.ts";
import type { ServerInfo } from "../registry/tunnel.ts";

const INSTANCE = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const VERSION = /^[!-~]{1,64}$/;

function bad(message: string): Refusal {
  return { status: 400, code: "INVALID_ARGUMENT", message };
}

/**
 * Reads the registration headers.
 *
 * @param header Looks a header up; names are given in lower case.
 * @param remoteAddress `host:port` that the request came from.
 */
export function parseMeta(
  header: (name: string) => string | null | undefined,
  remoteAddress: string,
): ServerInfo | Refusal {
  const name = header("x-hub-meta-name") ?? "";
  if (name === "") return bad(`Missing header X-Hub-Meta-Name: it must be ${NAME_RULE}`);
  if (!isServerName(name)) {
    return bad(`Bad server name ${quote(name)} in X-Hub-Meta-Name: it must be ${NAME_RULE}`);
  }
  const instance = header("x-hub-meta-instance") ?? "";
  if (instance !== "" && !INSTANCE.test(instance)) {
    return bad(`Bad X-Hub-Meta-Instance ${quote(instance)}: it must be a UUID`);
  }
  const version = header("x-hub-meta-version") ?? "";
  if (version !== "" && !VERSION.test(version)) {
    return bad(
      `Bad X-Hub-Meta-Version ${quote(version)}: it must be at most 64 visible ASCII characters`,
    );
  }
  try {
    const labels = parseLabels(header("x-hub-meta-labels") ?? "");
    return {
      name,
      labels,
      instance: instance.toLowerCase(),
      version,
      remoteAddress,
      ...(header("x-hub-meta-renews") === "1" && { renews: true }),
    };
  } catch (error) {
    if (error instanceof SyntaxError) return bad(`${error.message} (in X-Hub-Meta-Labels)`);
    throw error;
  }
}
