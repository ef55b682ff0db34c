/**
 * Ways of naming a server. `lab` may call lab-1 alone, and tries to reach another one; `lodger` may
 * call edge-1, and tries to reach what edge-1 exposes.
 *
 * @module
 */
import { type AuthTable, type Caller, outcome, type Row } from "../support/auth_table.ts";
import { GET, GHOST } from "../support/auth_world.ts";
import { bareCall, type BareField, callFields } from "../support/bare_call.ts";
import { byConnect, byHandshake } from "./raw.ts";

type Try = [what: string, more: BareField[], authority?: string];

const WAIT: BareField = ["x-hub-wait", "50ms"];

function named(name: string): BareField {
  return ["x-hub-server", name];
}

/** All of these must be refused. */
const TRIES: Readonly<Partial<Record<Caller, readonly Try[]>>> = {
  lab: [
    ["metadata", [named("edge-1")]],
    ["older metadata", [["name", "edge-1"]]],
    ["both", [["name", "edge-1"], named("edge-1")]],
    ["a permitted one and another", [named("lab-1"), ["name", "edge-1"]]],
    ["the other way round", [["name", "lab-1"], named("edge-1")]],
    ["twice", [named("lab-1"), named("edge-1")]],
    ["twice, turned round", [named("edge-1"), named("lab-1")]],
    ["twice the permitted one", [named("lab-1"), named("lab-1")]],
    ["a list", [named("lab-1,edge-1")]],
    ["upper case", [named("EDGE-1")]],
    ["field in upper case", [["X-Hub-Server", "edge-1"]]],
    ["field in mixed case beside a good one", [named("lab-1"), ["X-hub-server", "edge-1"]]],
    ["a space before", [named(" edge-1")]],
    ["a space behind", [named("edge-1 ")]],
    ["a tab", [named("edge-1\t")]],
    ["a line break", [named("lab-1\r\nx-hub-server: edge-1")]],
    ["a zero", [named("edge-1\0")]],
    ["a zero behind the permitted one", [named("lab-1\0edge-1")]],
    ["an empty upstream", [named("edge-1/")]],
    ["an upstream", [named("edge-1/payments")]],
    ["out of an upstream of its own server", [named("lab-1/../edge-1")]],
    ["an upstream that its own server has not", [named("lab-1/payments")]],
    ["two slashes", [named("edge-1//payments")]],
    ["an escaped slash", [named("edge-1%2fpayments")]],
    ["an escaped letter", [named("%65dge-1")]],
    ["a letter that looks like one", [named("\u0435dge-1")]],
    ["dots", [named("../edge-1")]],
    ["a star", [named("*")]],
    ["nothing", [named("")]],
    ["waiting for it", [named("edge-1"), WAIT]],
    ["waiting for who is not here", [named(GHOST), WAIT]],
    ["the authority's too", [named("secret")], "secret"],
    ["a permitted authority beside metadata", [named("edge-1")], "lab-1"],
  ],
  lodger: [
    ["an upstream", [named("edge-1/payments")]],
    ["an upstream, older metadata", [["name", "edge-1/payments"]]],
    ["its server and the upstream", [named("edge-1"), named("edge-1/payments")]],
    ["its server, older, and the upstream", [["name", "edge-1"], named("edge-1/payments")]],
    ["the upstream in upper case", [named("edge-1/PAYMENTS")]],
    ["the upstream alone", [named("payments")]],
    ["the upstream, as CONNECT has it", [named("payments.edge-1")]],
    ["the upstream, by way of dots", [named("edge-1/./payments")]],
    ["the upstream, waiting for it", [named("edge-1/payments"), WAIT]],
  ],
};

/**
 * Names that neither may know of, so that they name nothing at all: such a call goes where it would
 * go without any name, to the one server that its caller can see.
 */
const AUTHORITIES = [
  "edge-2",
  "edge-2.hub.test",
  "EDGE-2.hub.test:9090",
  "edge-2:443",
  "secret",
  "edge-2.",
  "[edge-2]",
  "payments.edge-2",
  "",
  "ghosts.hub.test",
];

/** No authorities at all: the call is refused, whatever it names besides. */
const NO_AUTHORITIES = [
  "lab-1@edge-2",
  "edge-2.@x",
  "edge-2/payments",
  "edge-2 ",
  "lab-1,edge-2\0",
];

/** What stands for the server in a handshake, and in a CONNECT. */
const TARGETS: readonly [what: string, who: Caller, json: string, connect: string][] = [
  ["another", "lab", "edge-1", "edge-1:443"],
  ["another in upper case", "lab", "EDGE-1", "EDGE-1:443"],
  ["an upstream", "lodger", "edge-1/payments", "payments.edge-1:443"],
  ["an upstream in upper case", "lodger", "edge-1/PAYMENTS", "PAYMENTS.EDGE-1:443"],
  ["an upstream of many", "lodger", "edge-1/payments/x", "x.payments.edge-1:443"],
  ["a slash that is escaped", "lodger", "edge-1%2fpayments", "edge-1%2fpayments:443"],
  ["a slash", "lodger", "edge-1//payments", "edge-1/payments:443"],
  ["dots", "lab", "lab-1/../edge-1", "lab-1/../edge-1:443"],
  ["a user in front", "lab", "lab-1@edge-1", "lab-1@edge-1:443"],
  ["a zero", "lab", "edge-1\0", "edge-1\0:443"],
  ["a space", "lab", " edge-1", " edge-1:443"],
  ["a dot at the end", "lab", "edge-1.", "edge-1.:443"],
  ["a URL", "lab", "http://edge-1", "http://edge-1:443"],
  ["a star", "lab", "*", "*:443"],
];

export function names(table: AuthTable): Row[] {
  const { callAddress } = table.world;
  const rows: Row[] = [];
  for (const [who, tries] of Object.entries(TRIES) as [Caller, readonly Try[]][]) {
    for (const [what, more, authority = "hub.test"] of tries) {
      rows.push({
        what: `${who}: ${what}`,
        run: async (mark) =>
          outcome(await table.call(GET, [table.bearer(who), ...more, mark], { authority })),
      });
    }
  }
  for (const [who, server] of [["lab", "lab-1"], ["lodger", "edge-1"]] as const) {
    for (const authority of AUTHORITIES) {
      rows.push({
        what: `${who}: :authority ${JSON.stringify(authority)}`,
        run: async (mark) =>
          outcome(await table.call(GET, [table.bearer(who), mark], { authority })),
        told: "OK",
        arrives: `${server} ${GET} as ${who}`,
      });
    }
    for (const authority of NO_AUTHORITIES) {
      rows.push({
        what: `${who}: :authority ${JSON.stringify(authority)} beside metadata`,
        run: async (mark) =>
          outcome(
            await table.call(GET, [table.bearer(who), named(server), mark], { authority }),
          ),
        told: "reset",
      });
    }
    rows.push({
      what: `${who}: host beside :authority`,
      run: async (mark) => {
        const more: BareField[] = [["host", "secret"], table.bearer(who), mark];
        return outcome(await table.call(GET, more, { authority: server }));
      },
      told: "OK",
      arrives: `${server} ${GET} as ${who}`,
    });
  }
  rows.push({
    what: "lab: two authorities",
    run: async (mark) => {
      const fields = callFields({ path: GET, authority: "lab-1" });
      fields.splice(4, 0, [":authority", "edge-1"]);
      return outcome(await bareCall(callAddress, [...fields, table.bearer("lab"), mark]));
    },
  });
  const call = (mark: BareField) => callFields({ path: GET, more: [mark] });
  const [handshake, connect] = [byHandshake(callAddress), byConnect(callAddress, "as it is")];
  for (const [what, who, json, target] of TARGETS) {
    const token = table.token(who);
    rows.push(
      {
        what: `handshake: ${who}: ${what}`,
        run: (mark) => handshake(json, token, call(mark)),
      },
      {
        what: `CONNECT: ${who}: ${what}`,
        run: (mark) => connect(target, token, call(mark)),
      },
    );
  }
  return rows;
}
