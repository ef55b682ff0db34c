import assert from "node:assert/strict";

const MODULE = import.meta.resolve("./support/free_port.ts");
const DRAW = `
const { freePort } = await import(${JSON.stringify(MODULE)});
console.log(JSON.stringify(Array.from({ length: 40 }, freePort)));
`;

Deno.test("freePort() gives no two tests the same port, though nobody listens there yet", async () => {
  const drawn = await Promise.all(Array.from({ length: 3 }, async () => {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", DRAW],
      stderr: "inherit",
    }).output();
    return JSON.parse(new TextDecoder().decode(stdout)) as number[];
  }));
  assert.equal(new Set(drawn.flat()).size, 3 * 40);
});
