import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** How to answer a request for the registry of clusters. */
export type Behaviour =
  | { body: string | Uint8Array; status?: number; headers?: Record<string, string> }
  | ("hang" | "drop" | "half-body");

const registryPath = "/inventory/clusters.csv";
const token = "hunter3";

/**
 * A stand-in for whoever gives the registry of clusters out, on 127.0.0.1, over real HTTP. It has versions, which
 * it names by ETag and time, answers 304 to who has the newest, and keeps books: of every request that came the
 * status of the answer, and of everything that a correct client would not send.
 */
export async function startRegistryService() {
  const unexpected: string[] = [];
  const answered: (number | string)[] = [];
  const queued: Behaviour[] = [];
  let current = { body: "cluster,org_id\n", version: 0 };
  let isVersioned = true;
  const etag = () => `"v${current.version}"`;
  const modified = () => new Date(Date.UTC(2026, 0, 1, 0, 0, current.version)).toUTCString();

  const usual = (headers: NodeJS.Dict<string | string[]>): Exclude<Behaviour, string> => {
    if (!isVersioned) return { body: current.body };
    const version = { etag: etag(), "last-modified": modified() };
    return headers["if-none-match"] === etag()
      ? { body: "", status: 304, headers: version }
      : { body: current.body, headers: version };
  };
  const server = createServer(({ method, url, headers }, response) => {
    const wrong = [
      method !== "GET" && "another method than GET",
      url !== `${registryPath}?key=hunter2` && "unknown path",
      headers.authorization !== `Bearer ${token}` && "another token, or none",
      headers["accept-encoding"] !== "identity" && "compression is asked for",
      headers["content-length"] !== undefined && "a body",
      !headers.accept?.startsWith("text/csv") && "CSV is not what it likes best",
      (headers["if-none-match"] === undefined) !== (headers["if-modified-since"] === undefined) &&
        "only one of the two conditions",
    ];
    unexpected.push(...wrong.filter((what) => what !== false));
    answer(queued.shift() ?? usual(headers), response);
  });
  const answer = (how: Behaviour, response: ServerResponse) => {
    answered.push(typeof how === "string" ? how : (how.status ?? 200));
    if (how === "hang") return;
    if (how === "drop") response.socket?.destroy();
    else if (how === "half-body")
      response
        .writeHead(200, { "content-length": 1_000 })
        .write("cluster,org_id\n", () => response.socket?.destroy());
    else
      response
        .writeHead(how.status ?? 200, { "content-type": "text/csv; charset=utf-8", ...how.headers })
        .end(how.body);
  };
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `${origin}${registryPath}?key=hunter2`,
    token,
    /** As an error names it; the query is for nobody's eyes. */
    name: `registry ${origin}${registryPath}`,
    /** One sentence per thing that a correct client would not have sent. */
    unexpected: unexpected as readonly string[],
    /** The statuses of the answers since it was last asked for them. */
    took: () => answered.splice(0),
    /** A new version: lines below the usual header. */
    publish(...lines: string[]): void {
      const header = "cluster,org_id,display_name,managed,status";
      current = { body: [header, ...lines, ""].join("\n"), version: current.version + 1 };
    },
    /** Whether answers name their version. */
    versioned(named: boolean): void {
      isVersioned = named;
    },
    /** The answers to the coming requests. */
    behave: (...next: Behaviour[]) => void queued.push(...next),
    async [Symbol.asyncDispose]() {
      const closed = server[Symbol.asyncDispose]();
      server.closeAllConnections();
      await closed;
    },
  };
}
