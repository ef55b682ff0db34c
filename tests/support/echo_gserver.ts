/**
 * gserver with the Echo service beside its own: the same program, the same arguments.
 *
 * @module
 */
import { runProgram } from "../../shared/cli/program.ts";
import { createProgram } from "../../server/main.ts";
import { addEcho } from "./echo.ts";

const program = createProgram({ services: [{ name: "echo.v1.Echo", addTo: addEcho }] });

Deno.exit(await runProgram(program, Deno.args));
