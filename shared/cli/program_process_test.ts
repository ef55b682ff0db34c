/**
 * What only a real process shows: signals, a broken pipe, a real shell's completion.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const FIXTURE = fileURLToPath(new URL("testing/fixture_program.ts", import.meta.url));

interface Running extends AsyncDisposable {
  readonly child: Deno.ChildProcess;
  /** The next line of stdout, or `undefined` at its end. */
  line(): Promise<string | undefined>;
}

function start(...args: string[]): Running {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", FIXTURE, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  return {
    child,
    async line() {
      while (!rest.includes("\n")) {
        const { done, value } = await reader.read();
        if (done) return undefined;
        rest += value;
      }
      const [line, ...after] = rest.split("\n");
      rest = after.join("\n");
      return line;
    },
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // it has ended
      }
      await child.status;
      await reader.cancel();
    },
  };
}

Deno.test("runProgram() ends with the code of its signal", async (t) => {
  const table: [command: string, signal: Deno.Signal, code: number][] = [
    ["forget", "SIGINT", 130],
    ["forget", "SIGTERM", 143],
    ["wait", "SIGINT", 130],
    ["wait", "SIGTERM", 143],
    ["drain", "SIGTERM", 0],
  ];
  for (const [command, signal, code] of table) {
    await t.step(`${command} ${signal}`, async () => {
      await using running = start(command);
      assert.equal(await running.line(), "ready");
      running.child.kill(signal);
      assert.equal((await running.child.status).code, code);
    });
  }
});

Deno.test("runProgram() ends at once at a second signal", async () => {
  await using running = start("drain", "--hang");
  assert.equal(await running.line(), "ready");
  running.child.kill("SIGTERM");
  assert.equal(await running.line(), "draining");
  running.child.kill("SIGINT");
  assert.equal((await running.child.status).code, 130);
});

Deno.test("runProgram() ends quietly when nobody reads its stdout", async () => {
  const script =
    `${Deno.execPath()} run -A --no-check "$0" flood | head -n 1; echo "code \${PIPESTATUS[0]}"`;
  const { stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", script, FIXTURE],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  assert.equal(decoder.decode(stderr), "");
  assert.equal(decoder.decode(stdout), "y\ncode 141\n");
});

Deno.test("runProgram() says that its stdout is full, and ends the same where its stderr is", async (t) => {
  const program = `${Deno.execPath()} run -A --no-check "$0"`;
  const table: [line: string, code: number, said: string][] = [
    ["echo x >/dev/full", 1, "error: Cannot write to standard output: No space left on device\n"],
    ["nonsense 2>/dev/full", 2, ""],
  ];
  for (const [line, code, said] of table) {
    await t.step(line, async () => {
      const output = await new Deno.Command("bash", {
        args: ["-c", `${program} ${line}`, FIXTURE],
        stdin: "null",
      }).output();
      assert.equal(output.code, code);
      assert.equal(new TextDecoder().decode(output.stderr), said);
    });
  }
});

Deno.test("completion bash works in bash", async (t) => {
  // The program under its own name, so that the script finds it as a user's shell would.
  const directory = await Deno.makeTempDir();
  try {
    const program = `${directory}/gfixture`;
    const run = `#!/bin/sh\nexec ${Deno.execPath()} run -A --no-check ${FIXTURE} "$@"\n`;
    await Deno.writeTextFile(program, run, { mode: 0o755 });
    await Deno.writeTextFile(`${directory}/some file.txt`, "");
    const table: [line: string, words: string[], replies: string[]][] = [
      ["gfixture ec", ["gfixture", "ec"], ["echo"]],
      ["gfixture echo ", ["gfixture", "echo", ""], ["host:1", "host:2", "key=value"]],
      // Bash splits at ":" and "=": the replies replace only what follows them.
      ["gfixture echo host:", ["gfixture", "echo", "host", ":", ""], ["1", "2"]],
      ["gfixture echo --format=y", ["gfixture", "echo", "--format", "=", "y"], ["yaml"]],
      ["gfixture echo --file some", ["gfixture", "echo", "--file", "some"], ["some file.txt"]],
      ["gfixture nonsense --x", ["gfixture", "nonsense", "--x"], []],
    ];
    for (const [line, words, replies] of table) {
      await t.step(line, async () => {
        const script = `source <(gfixture completion bash) || exit
          compopt() { :; }  # it works only while bash itself completes
          COMP_LINE=$1 COMP_POINT=\${#1}; shift; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
          _gfixture_complete; printf '%s\\n' "\${COMPREPLY[@]}"`;
        const { stdout, stderr } = await new Deno.Command("bash", {
          args: ["--norc", "-c", script, "bash", line, ...words],
          env: { PATH: `${directory}:${Deno.env.get("PATH")}` },
          cwd: directory,
          stdin: "null",
        }).output();
        const decoder = new TextDecoder();
        assert.equal(decoder.decode(stderr), "");
        assert.deepEqual(decoder.decode(stdout).split("\n").filter(Boolean), replies);
      });
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
