import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";

/** Stands before a PostgreSQL server and notes what clients send it. */
export type Statements = {
  /** the URL of the same database, through here */
  url: string;
  /** SQL as it arrived, as a statement or to be prepared */
  texts: string[];
  /** what was bound to parameters, all of one statement in one text */
  values: string[];
  [Symbol.asyncDispose](): Promise<void>;
};

/** Starts noting what goes to the database of this URL, which has to be without TLS. */
export async function noteStatements(databaseUrl: string): Promise<Statements> {
  const url = new URL(databaseUrl);
  const target = { host: url.hostname, port: Number(url.port) };
  const texts: string[] = [];
  const values: string[] = [];
  const server = createServer((client) => {
    const upstream = connect(target.port, target.host);
    client.pipe(upstream).pipe(client);
    client.on("error", () => upstream.destroy());
    upstream.on("error", () => client.destroy());
    let rest = Buffer.alloc(0);
    let started = false;
    client.on("data", (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        // the first message has no type; the length counts itself, not the type
        const head = started ? 1 : 0;
        if (rest.length < head + 4) return;
        const end = head + rest.readInt32BE(head);
        if (rest.length < end) return;
        const body = rest.toString("utf8", head + 4, end);
        const type = started ? String.fromCharCode(rest[0] ?? 0) : "";
        if (type === "P" || type === "Q") texts.push(body);
        if (type === "B") values.push(body);
        started = true;
        rest = rest.subarray(end);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url.hostname = "127.0.0.1";
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    texts,
    values,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}
