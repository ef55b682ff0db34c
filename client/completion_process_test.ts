/**
 * Completion as a person has it: bash, zsh and fish on terminals, set up as `gclient completion --help`
 * says, and the TAB key.
 *
 * What stands behind `gclient` there asks gclient itself for completions, until there are any: a hub has
 * a second for its answer, which is over soon on a busy machine. It prints any other command line: that is
 * what the shell has made of the keys.
 *
 * @module
 */
import assert from "node:assert/strict";
import { commandLine, source } from "../tests/support/process.ts";
import { until } from "../tests/support/until.ts";
import { startFakeHub } from "./testing/fake_hub.ts";
import { HAS_TERMINAL, Terminal } from "./testing/terminal.ts";

const PROMPT = "what-next> ";

/** Each with the file that it reads at its start, and what a user writes into it. */
const SHELLS = [
  {
    name: "bash",
    rc: ".bashrc",
    setup: `PS1='${PROMPT}'\nsource <(gclient completion bash)\n`,
    start: "exec bash -i",
  },
  {
    name: "zsh",
    rc: ".zshrc",
    setup: `autoload -U compinit; compinit -u\nPROMPT='${PROMPT}'\n` +
      "source <(gclient completion zsh)\n",
    start: "exec zsh -d -i",
  },
  {
    name: "fish",
    rc: ".config/fish/config.fish",
    setup: `function fish_prompt; echo -n '${PROMPT}'; end\nset fish_greeting\n` +
      "mkdir -p ~/.config/fish/completions\n" +
      "gclient completion fish > ~/.config/fish/completions/gclient.fish\n",
    start: "exec fish -i",
  },
] as const;

/** Keys, and the command line that they become. */
const TABLE: readonly (readonly [keys: string, line: string])[] = [
  ["gclient flu\tstatu\tedg\t", "fluentd status edge-1"],
  ["gclient hub servers --no-h\t-o wi\t", "hub servers --no-headers -o wide"],
  ["gclient hub servers --response-format=ya\t", "hub servers --response-format=yaml"],
  ["gclient hub servers -l env=p\t", "hub servers -l env=prod"],
  ["gclient fluentd status --set view=F\t", "fluentd status --set view=FULL"],
];

/** A folder of programs and of a user, which goes when it is disposed of. */
async function makeHome(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "ghub-completion-" });
  const gclient = commandLine(source("client/main.ts")).join(" ");
  const script = `#!/bin/sh
case $1 in
  completion) exec ${gclient} "$@" ;;
  __complete)
    for try in 1 2 3 4 5 6 7 8 9; do
      found=$(${gclient} "$@")
      [ -n "$found" ] && break
    done
    printf '%s\\n' "$found" ;;
  *) echo "made:$*:" ;;
esac
`;
  await Deno.writeTextFile(`${path}/gclient`, script, { mode: 0o755 });
  return {
    path,
    // A shell that lost its terminal still writes its history there.
    [Symbol.asyncDispose]: () =>
      until(
        "an end of what the shell writes",
        () => Deno.remove(path, { recursive: true }).then(() => true, () => false),
      ).then(() => {}),
  };
}

async function isThere(shell: string): Promise<boolean> {
  const args = ["-c", 'command -v "$0"', shell];
  return (await new Deno.Command("sh", { args, stdout: "null" }).output()).success;
}

/** The command lines that the shell has run. */
function made({ shown }: Terminal): string[] {
  return [...shown.matchAll(/^made:(.*?) *:/gm)].map(([, line]) => line!);
}

for (const { name, rc, setup, start } of SHELLS) {
  const ready = HAS_TERMINAL && await isThere(name);
  if (!ready) console.warn(`SKIPPED: completion in ${name}: there is no ${name}, or no \`script\``);
  Deno.test({
    name: `TAB completes gclient's command lines in a ${name} on a terminal`,
    ignore: !ready,
    async fn(t) {
      await using hub = await startFakeHub();
      hub.script.servers = {
        servers: [{ name: "edge-1", state: "ONLINE", labels: { env: "prod" } }],
      };
      await using home = await makeHome();
      await Deno.mkdir(`${home.path}/.config/fish`, { recursive: true });
      await Deno.writeTextFile(`${home.path}/${rc}`, setup);
      for (const columns of [80, 40]) {
        await using terminal = new Terminal([], {
          columns,
          shell: start,
          env: {
            HOME: home.path,
            PATH: `${home.path}:${Deno.env.get("PATH")}`,
            GCLIENT_SERVER_ADDR: hub.address,
          },
        });
        await terminal.shows(/what-next> /);
        for (const [keys, line] of columns === 80 ? TABLE : TABLE.slice(0, 1)) {
          await t.step(`${keys.replaceAll("\t", "⇥")} in ${columns} columns`, async () => {
            const before = made(terminal).length;
            await terminal.type(`${keys}\n`);
            await until(
              `a command line from ${name}, which shows ${JSON.stringify(terminal.shown)}`,
              () => made(terminal).length > before,
            );
            assert.equal(made(terminal).at(-1), line, terminal.shown);
          });
        }
        await t.step(`what there is to choose from is shown, in ${columns} columns`, async () => {
          await terminal.type("gclient fluentd \t\t");
          await terminal.shows(/restart[^]*status/);
        });
      }
      assert.ok(hub.calls.every(({ method }) => method === "ListServers"));
    },
  });
}
