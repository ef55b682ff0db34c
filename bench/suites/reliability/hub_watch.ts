/**
 * What a hub says of its servers.
 *
 * @module
 */
import { Client, Metadata, type MethodDefinition } from "@grpc/grpc-js";
import { HubCredentials } from "../../../shared/http2/testing/hub_credentials.ts";
import type {
  ghub_v1_ListServersRequest as ListServersRequest,
  ghub_v1_ListServersResponse as ListServersResponse,
  ghub_v1_Server as ListedServer,
} from "../../../shared/gen/types.ts";
import { timestampMs } from "../../../shared/grpc/proto_time.ts";
import { serviceDefinition } from "../../../shared/grpc_js/service_definition.ts";

const { path, requestSerialize, responseDeserialize } = serviceDefinition("ghub.v1.Hub")[
  "ListServers"
] as MethodDefinition<ListServersRequest, ListServersResponse>;

export class HubWatch implements Disposable {
  readonly #client: Client;

  constructor(address: string) {
    this.#client = new Client(address, new HubCredentials({}));
  }

  /** Names with an open tunnel. */
  async online(): Promise<number> {
    return (await this.#list({})).filter(({ state }) => state === "ONLINE").length;
  }

  /** When each open tunnel registered, by the hub's own clock. */
  async connectedAtMs(): Promise<number[]> {
    return (await this.#list({})).map(({ connectedAt }) => timestampMs(connectedAt) ?? 0);
  }

  async state(name: string): Promise<ListedServer["state"]> {
    return (await this.#list({ includeOffline: true })).find((one) => one.name === name)?.state;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  async #list(request: ListServersRequest): Promise<readonly ListedServer[]> {
    const all: ListedServer[] = [];
    for (let pageToken = "";;) {
      const { servers = [], nextPageToken = "" } = await this.#page({ ...request, pageToken });
      all.push(...servers);
      if (nextPageToken === "") return all;
      pageToken = nextPageToken;
    }
  }

  #page(request: ListServersRequest): Promise<ListServersResponse> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new Metadata(),
        { deadline: Date.now() + 30_000 },
        (error, response) => error ? reject(error) : resolve(response ?? {}),
      );
    });
  }
}
