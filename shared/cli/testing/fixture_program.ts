/**
 * A program that tests run as a process of its own.
 *
 * @module
 */
import { runProgram } from "../program.ts";
import { defineCommand, type Program } from "../command.ts";

const PROGRAM: Program = {
  name: "gfixture",
  envPrefix: "GFIXTURE",
  version: "1.0.0",
  summary: "Does what a test needs",
  commands: [
    {
      name: "forget",
      summary: "Waits and never looks at its signal",
      run: async ({ io }) => {
        await io.stdout.write("ready\n");
        return await new Promise<number>((resolve) => setTimeout(resolve, 600_000, 0));
      },
    },
    {
      name: "wait",
      summary: "Waits until its signal fires, and throws its reason",
      run: async ({ io, signal }) => {
        const ended = new Promise<number>((_, reject) => {
          const timer = setTimeout(() => {}, 600_000);
          signal.addEventListener("abort", () => {
            clearTimeout(timer);
            reject(signal.reason);
          });
        });
        // The signal may come while the next line is being written.
        ended.catch(() => {});
        // Last, because at this word the test sends the signal.
        await io.stdout.write("ready\n");
        return await ended;
      },
    },
    {
      name: "drain",
      summary: "Returns its own code after the signal; or never, when told to hang",
      options: { hang: { flag: "--hang", help: "Never ends" } },
      run: async ({ io, signal, options }) => {
        const ended = new Promise<number>((resolve) => {
          const timer = setTimeout(() => {}, 600_000);
          signal.addEventListener("abort", async () => {
            await io.stdout.write("draining\n");
            if (options["hang"]) return;
            clearTimeout(timer);
            resolve(0);
          });
        });
        await io.stdout.write("ready\n");
        return await ended;
      },
    },
    {
      name: "flood",
      summary: "Writes for ever",
      run: async ({ io }) => {
        while (true) await io.stdout.write("y\n".repeat(1000));
      },
    },
    defineCommand({
      name: "echo",
      summary: "Prints its argument",
      args: [{
        name: "what",
        summary: "anything",
        complete: () => ["host:1", "host:2", "key=value"],
      }],
      options: {
        file: { flag: "--file", value: "FILE", help: "A file", complete: "file" },
        format: { flag: "--format", value: "FORMAT", choices: ["json", "yaml"], help: "How" },
      },
      run: async ({ io, args }) => {
        await io.stdout.write(`${args[0]}\n`);
        return 0;
      },
    }),
  ],
};

if (import.meta.main) Deno.exit(await runProgram(PROGRAM, Deno.args));
