/**
 * What stands in .github/ works: each command of the workflow is one that there is, by the Deno that
 * `.ci/run` takes, and the templates of issues are forms.
 */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { REPOSITORY } from "./support/process.ts";

const read = (path: string) => Deno.readTextFileSync(`${REPOSITORY}${path}`);

interface Step {
  readonly uses?: string;
  readonly run?: string;
}

interface Job {
  readonly "timeout-minutes"?: number;
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly jobs: Readonly<Record<string, Job>>;
  readonly permissions?: unknown;
}

const [, VERSION = ""] = /^DENO_VERSION=(.+)$/m.exec(read(".ci/run"))!;
const { tasks } = JSON.parse(read("deno.json")) as { tasks: Record<string, unknown> };

/** What `deno task ok` runs without a task of its own. */
const CHECKS = ["fmt --check", "lint", "check --frozen ."];

/** Why a command would not run; none if it does. */
function problemOf(command: string): string | undefined {
  if (command === ".ci/run") return undefined;
  const [, version, rest = ""] = /^npx -y deno@(\S+) (.+)$/.exec(command) ?? [];
  if (version !== VERSION) return `"${command}" does not run Deno ${VERSION} from npm`;
  const [, task] = /^task (\S+)/.exec(rest) ?? [];
  if (task === undefined ? CHECKS.includes(rest) : tasks[task] !== undefined) return undefined;
  return `"${command}" is no check and no task of deno.json`;
}

Deno.test("each job of the workflow runs commands that there are, within a limit", () => {
  const { jobs, permissions } = parse(read(".github/workflows/ci.yml")) as Workflow;
  assert.deepEqual(Object.keys(jobs), ["check", "unit", "system", "executables"]);
  assert.deepEqual(permissions, { contents: "read" });
  for (const [name, { steps, "timeout-minutes": limit }] of Object.entries(jobs)) {
    assert.ok(limit !== undefined, `${name} has no limit`);
    const commands = steps.flatMap(({ run }) => run ?? []);
    assert.ok(commands.length > 0, `${name} runs nothing`);
    assert.deepEqual(commands.map(problemOf).filter((problem) => problem !== undefined), []);
    const used = steps.flatMap(({ uses }) => uses ?? []);
    assert.deepEqual(used, ["actions/checkout@v4"], name);
  }
  assert.ok((Deno.statSync(`${REPOSITORY}.ci/run`).mode! & 0o111) !== 0, ".ci/run cannot be run");
});

Deno.test("a command that would not run is noticed", () => {
  const wrong = [
    "deno task test:unit",
    "npx -y deno@1.0.0 task test:unit",
    `npx -y deno@${VERSION} task test:none`,
    `npx -y deno@${VERSION} format`,
  ];
  for (const command of wrong) assert.ok(problemOf(command) !== undefined, command);
});

Deno.test("the templates of issues are forms with questions that must be answered", () => {
  for (const name of ["bug", "idea"]) {
    const form = parse(read(`.github/ISSUE_TEMPLATE/${name}.yml`));
    assert.ok(form.name && form.description, name);
    const asked = form.body.filter(({ type }: { type: string }) => type !== "markdown");
    assert.ok(
      asked.some(({ validations }: { validations?: { required: boolean } }) =>
        validations?.required
      ),
    );
    for (const { id, attributes } of asked) assert.ok(id && attributes.label, name);
  }
});
