import assert from "node:assert/strict";
import type { Program } from "./command.ts";
import { manPage } from "./man_page.ts";

const program: Program = {
  name: "tool",
  envPrefix: "TOOL",
  version: "1.2.3",
  summary: "Does things",
  commands: [{
    name: "group",
    summary: "Several",
    commands: [{
      name: "do",
      summary: "Does one thing",
      description: "Does one thing.\n\n.hidden dots are no commands",
      examples: ["tool group do x -f 'a\\b'"],
      args: [{ name: "what", summary: "which thing", many: true }],
      options: {
        force: { flag: "--force", short: "-f", help: "Does it all the same" },
        secret: { flag: "--secret", help: "Not shown", hidden: true },
        limit: { flag: "--limit", value: "N", default: 7, help: "At most", perRun: true },
      },
      run: () => 0,
    }],
  }],
};

Deno.test("manPage() has each command, argument and option of the table", () => {
  const page = manPage(program);
  for (
    const line of [
      '.TH TOOL 1 "" "tool 1.2.3" "tool"',
      "tool \\- Does things",
      ".SS tool group do <what...>",
      "\\&.hidden dots are no commands",
      ".B \\-f, \\-\\-force",
      "Does it all the same (env TOOL_FORCE)",
      ".B \\-\\-limit N",
      "At most (default 7)",
      "tool group do x \\-f 'a\\eb'",
    ]
  ) assert.ok(page.split("\n").includes(line), `${line}\n${page}`);
  assert.equal(page.includes("secret"), false);
});

const HAS_GROFF = await new Deno.Command("groff", { args: ["--version"], stdout: "null" })
  .output().then(({ success }) => success, () => false);
if (!HAS_GROFF) console.warn("SKIPPED: groff is not installed");

Deno.test({
  name: "groff finds nothing to complain of",
  ignore: !HAS_GROFF,
  async fn() {
    const child = new Deno.Command("groff", {
      args: ["-man", "-Tutf8", "-ww"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(manPage(program)));
    await writer.close();
    const { stderr, stdout } = await child.output();
    assert.equal(new TextDecoder().decode(stderr), "");
    assert.match(new TextDecoder().decode(stdout), /Does it all the same/);
  },
});
