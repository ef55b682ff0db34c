/**
 * A real nginx as a reverse proxy in a test.
 *
 * @module
 */
import { type Daemon, startDaemon } from "./daemon.ts";

/** @param location What stands in the `location` of every path, such as `return 502;`. */
export function startNginx(location: string): Promise<Daemon> {
  return startDaemon({
    command: "nginx",
    args: ({ dir }) => ["-p", dir, "-c", `${dir}/nginx.conf`],
    files: ({ dir, port }) => ({
      "nginx.conf": [
        "daemon off; master_process off; worker_processes 1;",
        `pid ${dir}/nginx.pid; error_log stderr;`,
        "events { worker_connections 64; }",
        "http {",
        "  access_log off;",
        ...["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
          .map((what) => `  ${what}_temp_path ${dir}/${what};`),
        `  server { listen 127.0.0.1:${port}; location / { ${location} } }`,
        "}",
        "",
      ].join("\n"),
      // "user:password", for auth_basic_user_file
      "login": "user:{PLAIN}password\n",
    }),
  });
}
