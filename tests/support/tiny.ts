/**
 * A small program for `tests/self_extracting_test.ts`, built into an executable there: it shows
 * what a program gets from whoever starts it, and does what its first argument says.
 *
 * @module
 */
const [command, ...rest] = Deno.args;

const COMMANDS: Record<string, () => void | Promise<void>> = {
  args: () => console.log(JSON.stringify(rest)),
  exit: () => Deno.exit(Number(rest[0])),
  env: () => console.log(JSON.stringify(Deno.env.toObject())),
  cat: () => Deno.stdin.readable.pipeTo(Deno.stdout.writable),
  terminal: () => console.log(`${Deno.stdin.isTerminal()} ${Deno.stdout.isTerminal()}`),
  program: () => console.log(Deno.execPath(), import.meta.filename),
  pid: () => console.log(Deno.pid),
  run: async () => {
    try {
      await new Deno.Command("true").output();
      console.log("ran");
    } catch (error) {
      console.log((error as Error).name);
    }
  },
  wait: async () => {
    const timer = setInterval(() => {}, 1000);
    Deno.addSignalListener("SIGTERM", () => {
      console.log("SIGTERM came");
      Deno.exit(7);
    });
    console.log("waiting");
    await new Promise(() => timer);
  },
};

await COMMANDS[command ?? "pid"]!();
