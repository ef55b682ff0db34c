/**
 * One case of the call suite.
 *
 * @module
 */
import type { EchoClient } from "../support/echo_client.ts";
import type { Path } from "../support/path.ts";

/** One expectation. Cases of a path share its client, and with it one HTTP/2 connection. */
export type Case = readonly [
  name: string,
  run: (client: EchoClient, path: Path) => void | Promise<void>,
];
