/**
 * The fluentd of this machine, for tests that need a real one.
 *
 * @module
 */
import { delimiter, join } from "node:path";

/** With this set to 1, a machine without fluentd fails the tests that need it. */
const REQUIRE = "GHUB_REQUIRE_FLUENTD";

/**
 * The command that runs fluentd, or `undefined` where there is none. Says so, once.
 *
 * @throws {Error} If there is none and `GHUB_REQUIRE_FLUENTD=1`.
 */
export function fluentdCommand(): string[] | undefined {
  found ??= find() ?? missing();
  return found || undefined;
}

let found: string[] | false | undefined;

function find(): string[] | undefined {
  for (const dir of (Deno.env.get("PATH") ?? "").split(delimiter)) {
    const path = join(dir, "fluentd");
    try {
      if (dir !== "" && Deno.statSync(path).isFile) return [path];
    } catch {
      // Not in this one.
    }
  }
  return undefined;
}

function missing(): false {
  const message = "No fluentd on PATH: gem install fluentd";
  if (Deno.env.get(REQUIRE) === "1") throw new Error(`${message} (${REQUIRE}=1)`);
  console.warn(`\n*** ${message}. Tests that need a real fluentd are IGNORED.\n`);
  return false;
}

/** Ports that no system gives away by itself: Linux begins at 32768, others at 49152. */
const PORTS = { first: 20_000, count: 10_000 };

/** A port that nobody listens on now, and that nobody gets who asks for any. */
export function freePort(): number {
  while (true) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** A pipeline that receives lines at a port, if one is given, and drops them. */
export function simpleConfig(
  { port, monitor, system = "" }: { port?: number; monitor?: number; system?: string } = {},
): string {
  const input = port === undefined ? "" : `
<source>
  @type tcp
  tag test
  bind 127.0.0.1
  port ${port}
  <parse>
    @type none
  </parse>
</source>`;
  const agent = monitor === undefined ? "" : `
<source>
  @type monitor_agent
  bind 127.0.0.1
  port ${monitor}
</source>`;
  return `<system>
${system}
</system>
${input}
${agent}
<match **>
  @type null
</match>
`;
}
