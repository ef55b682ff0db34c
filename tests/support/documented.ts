/**
 * The commands that the documents tell people to run, and what makes sure of each that it works.
 *
 * @module
 */
import { REPOSITORY } from "./process.ts";

/** A command as it stands in a document. */
export interface DocumentedCommand {
  readonly file: string;
  readonly text: string;
}

/** How a command is kept true. */
export type Coverage =
  /** `tests/build_test.ts` runs it, with the executables. `shows`: what it must print. */
  | { readonly run: "to its end"; readonly shows?: RegExp }
  | { readonly run: "beside the others"; readonly ready: RegExp }
  /** Another test does what it says. */
  | { readonly by: string }
  /** Nothing can, here. */
  | { readonly not: string };

/** Over network namespaces, with a real systemd. */
const REMOTE_INSTALL: Coverage = { by: "tests/field_test.ts" };
/** The same, with three hubs and three members of etcd. */
const CLUSTER: Coverage = { by: "tests/cluster_units_test.ts" };
const PEER_CERTIFICATES: Coverage = { by: "tests/peer_certificates_test.ts" };
const GRPCURL = "needs grpcurl; reflection, metadata and plaintext calls have tests of their own";

/** In the order in which they are run. */
export const COVERAGE: Readonly<Record<string, Coverage>> = {
  "npx -y deno@2.9.6 task demo": { by: "tests/demo_test.ts" },
  "npx -y deno@2.9.6 task test": { not: "it runs this very test" },
  "npx -y deno@2.9.6 task test client/call/failure_test.ts": { by: "tests/first_change_test.ts" },
  "npx -y deno@2.9.6 task ok": { not: "it runs this very test" },
  "npx -y deno@2.9.6 task build": { run: "to its end", shows: /^Wrote \.\/gclient /m },
  "npx -y deno@2.9.6 task gencert": { run: "to its end", shows: /^Wrote test.crt and test.key$/m },
  "./ghub --tls-cert test.crt": {
    run: "beside the others",
    ready: /^ghub ready tunnel=wss:\/\/127\.0\.0\.1:8080\/ws call=127\.0\.0\.1:9090/,
  },
  "./gserver serve edge-1 --tls-insecure-skip-verify --hub-uri wss://localhost:8080/ws": {
    run: "beside the others",
    ready: /^gserver ready server=edge-1 hub=wss:\/\/localhost:8080\/ws$/,
  },
  "echo '{}' > req.json": { run: "to its end" },
  "./gclient fluentd start < req.json": { run: "to its end", shows: /"status":"SUCCESS"/ },
  "echo '{}' | ./gclient fluentd start -s localhost:9090": {
    run: "to its end",
    shows: /"status":"NOCHANGE"/,
  },
  "./gclient fluentd status -o table": { run: "to its end", shows: /HEALTHY/ },
  "./gclient fluentd status --all": { run: "to its end", shows: /"server":"edge-1"/ },
  "./gclient fluentd restart -l 'env=prod,!canary' --canary 1 --max-failures 5% --yes --log-dir logs":
    { by: "client/commands/fleet_command_test.ts" },
  "./gclient fluentd status --from-file logs/hosts.failed": {
    by: "client/commands/fleet_command_test.ts",
  },
  "gclient config set-context prod -s hub.example:9090 --tls --token-file ~/.ghub-token": {
    by: "client/commands/config_test.ts",
  },
  "gclient config use-context prod": { by: "client/commands/config_test.ts" },
  "gclient login -s hub.example:9090 --tls": { by: "tests/login_test.ts" },
  "gclient auth whoami -s hub.example:9090 --tls": { by: "tests/login_test.ts" },
  "gclient logout -s hub.example:9090 --tls": { by: "tests/login_test.ts" },
  "./gclient fluentd stop": { run: "to its end", shows: /"status":"SUCCESS"/ },
  "install -m 755 ghub /usr/local/bin/ghub": REMOTE_INSTALL,
  "mkdir -p /etc/ghub": REMOTE_INSTALL,
  "ghub cert ca --out /etc/ghub/ca.crt": REMOTE_INSTALL,
  "ghub cert make --ca /etc/ghub/ca.crt --hosts hub.example --out /etc/ghub/hub.crt":
    REMOTE_INSTALL,
  "cp systemd/ghub.service /etc/systemd/system/": REMOTE_INSTALL,
  "systemctl enable --now ghub": REMOTE_INSTALL,
  "ghub enroll edge-1 --hub-uri wss://hub.example/ws --ca /etc/ghub/ca.crt": REMOTE_INSTALL,
  "chmod 755 gserver && chmod 600 edge-1.token": REMOTE_INSTALL,
  "./gserver serve edge-1 --hub-uri wss://hub.example/ws --tls-ca-cert-file ca.crt --token-file edge-1.token":
    REMOTE_INSTALL,
  "./gclient fluentd status edge-1 -s hub.example:9090 --tls --tls-ca-cert-file ca.crt --token-file operator.token":
    REMOTE_INSTALL,
  "ghub cert make --ca /etc/ghub/ca.crt --out /etc/ghub/hub.crt --force": REMOTE_INSTALL,
  "systemctl reload ghub": REMOTE_INSTALL,
  "./gserver serve edge-1 --hub-uri wss://hub-a.example/ws --hub-uri wss://hub-b.example/ws --tls-ca-cert-file ca.crt --token-file edge-1.token":
    { by: "tests/several_hubs_test.ts" },
  "./gclient fluentd status edge-1 -s hub-a.example:9090,hub-b.example:9090 --tls --tls-ca-cert-file ca.crt --token-file operator.token":
    { by: "client/commands/several_hubs_test.ts" },
  "tar -C /var/lib/ghub -czf hub.tgz $(cd /var/lib/ghub && ls -d *.token voucher*.key enrolled*)":
    CLUSTER,
  "ghub cert make --ca /etc/ghub/ca.crt --hosts hub-b.example --out hub-b.crt": CLUSTER,
  "mkdir -p /etc/ghub /var/lib/ghub": CLUSTER,
  "tar -C /var/lib/ghub -xzf hub.tgz": CLUSTER,
  "install -m 600 hub-b.key /etc/ghub/hub.key && install -m 644 hub-b.crt /etc/ghub/hub.crt":
    CLUSTER,
  "ghub cert ca --out peer-ca.crt --name 'authority of hubs'": PEER_CERTIFICATES,
  "ghub cert make --ca peer-ca.crt --hosts hub-a.example --out hub-a-peer.crt": PEER_CERTIFICATES,
  "ghub cert make --ca peer-ca.crt --hosts hub-b.example --out hub-b-peer.crt": PEER_CERTIFICATES,
  "ghub cert ca --out etcd-ca.crt --name 'etcd authority'": CLUSTER,
  "ghub cert make --ca etcd-ca.crt --hosts hub-a.example --out hub-a-etcd.crt": CLUSTER,
  "ghub cert make --ca etcd-ca.crt --hosts hub-b.example --out hub-b-etcd.crt": CLUSTER,
  "ghub cert make --ca etcd-ca.crt --hosts hub-c.example --out hub-c-etcd.crt": CLUSTER,
  "ghub cert make --ca etcd-ca.crt --hosts ghub --out etcd.crt": CLUSTER,
  "(umask 077 && head -c 32 /dev/urandom | base64 > peer.secret)": CLUSTER,
  "mkdir -p /etc/etcd": CLUSTER,
  "install -m 644 etcd-ca.crt /etc/etcd/ca.crt": CLUSTER,
  "install -m 644 $(hostname -s)-etcd.crt /etc/etcd/etcd.crt": CLUSTER,
  "install -m 600 -o etcd $(hostname -s)-etcd.key /etc/etcd/etcd.key": CLUSTER,
  'sed "/^ETCD_INITIAL_CLUSTER=/!s/hub-a/$(hostname -s)/" systemd/etcd.env > /etc/default/etcd':
    CLUSTER,
  "systemctl enable etcd && systemctl restart --no-block etcd": CLUSTER,
  "install -m 600 peer.secret etcd.key /etc/ghub": CLUSTER,
  "install -m 644 etcd-ca.crt etcd.crt /etc/ghub": CLUSTER,
  "mkdir -p /etc/systemd/system/ghub.service.d": CLUSTER,
  "cp systemd/ghub-cluster.conf /etc/systemd/system/ghub.service.d/cluster.conf": CLUSTER,
  "systemctl daemon-reload && systemctl restart ghub": CLUSTER,
  "gclient hub hubs -o table -s hub-a.example:9090 --tls --tls-ca-cert-file ca.crt --token-file operator.token":
    CLUSTER,
  "systemctl stop etcd": CLUSTER,
  "rm -rf /var/lib/etcd/ghub": CLUSTER,
  "systemctl start --no-block etcd": CLUSTER,
  "./gclient fluentd start -p -o yaml > req.yaml": { run: "to its end" },
  "./gclient fluentd start -f req.yaml -o xml": {
    run: "to its end",
    shows: /<status>SUCCESS<\/status>/,
  },
  "./gclient fluentd stop -d '<StopRequest><reason>a new disk</reason></StopRequest>' -o prettyjson":
    { run: "to its end", shows: /"status": "SUCCESS"/ },
  "./gclient fluentd status --envelope": { run: "to its end", shows: /"headers":.*"STOPPED"/ },
  "grpcurl -plaintext localhost:9090 list": { not: GRPCURL },
  "grpcurl -plaintext -H 'x-hub-server: edge-1' localhost:9090 fluentd.v1.Fluentd/GetStatus": {
    not: GRPCURL,
  },
  "deno doc ghub/hub/mod.ts ghub/server/mod.ts ghub/client/mod.ts": {
    by: "tests/embedding_test.ts",
  },
  "./gserver serve edge-1 --expose payments=127.0.0.1:50051": { by: "tests/call_suite_test.ts" },
};

/** All commands in `sh` blocks of a Markdown text; a backslash joins lines, `#` begins a remark. */
export function commandsOf(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^( *)```sh\n([^]*?)^\1```$/gm)];
  return blocks.flatMap(([, , text = ""]) => text.replaceAll(/\\\n\s*/g, "").split("\n"))
    .map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
}

function* markdownFiles(dir: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(`${REPOSITORY}${dir}`)) {
    if (isDirectory && (dir !== "" || name === "docs")) yield* markdownFiles(`${dir}${name}/`);
    else if (name.endsWith(".md")) yield `${dir}${name}`;
  }
}

/** The commands of README, CONTRIBUTING, CHANGELOG and everything in docs/. */
export function documentedCommands(): DocumentedCommand[] {
  return [...markdownFiles("")].flatMap((file) =>
    commandsOf(Deno.readTextFileSync(`${REPOSITORY}${file}`)).map((text) => ({ file, text }))
  );
}
