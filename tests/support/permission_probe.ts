/**
 * Tries, inside one of our programs, what whoever got control of it would try. Loaded before it by
 * `--preload`, so that it has exactly the program's permissions.
 *
 * It writes a line `probe {"run":"NotCapable",…}` to stderr at the start, and another one at each
 * SIGUSR2: permissions may have been given back meanwhile.
 *
 * @module
 */

/** What is tried; a kind that is allowed does what it says, or fails for another reason. */
const ATTEMPTS: Readonly<Record<string, () => unknown>> = {
  run: () => new Deno.Command("/bin/true").outputSync(),
  ffi: () => Deno.dlopen("/nowhere.so", {}),
  import: () => import(["http://127.0.0.1:1", "/x.ts"].join("")),
  sys: () => Deno.osRelease(),
  env: () => Deno.env.get("PATH"),
  read: () => Deno.readTextFileSync("/etc/hostname"),
  write: () => Deno.removeSync(Deno.makeTempFileSync()),
  net: () => Deno.connect({ port: 1 }),
  others: () => Deno.readTextFileSync("/proc/1/environ"),
};

async function probe(): Promise<void> {
  const found: Record<string, string> = {};
  for (const [name, attempt] of Object.entries(ATTEMPTS)) {
    try {
      await attempt();
      found[name] = "allowed";
    } catch (error) {
      const isDenied = /^NotCapable|[Rr]equires \w+ access|--no-remote/.test(String(error));
      found[name] = isDenied ? "denied" : "allowed";
    }
  }
  await Deno.stderr.write(new TextEncoder().encode(`probe ${JSON.stringify(found)}\n`));
}

await probe();
Deno.addSignalListener("SIGUSR2", () => void probe());
