/**
 * Where hubs are, unless somebody says otherwise: hub, server and client have it from here.
 *
 * @module
 */

export const USUAL_ADDRESS = {
  /** Where servers dial in. */
  tunnelPort: 8080,
  /** What they ask for there. */
  tunnelPath: "/ws",
  /** Where operators call. */
  callPort: 9090,
} as const;
