import assert from "node:assert/strict";
import { createServer } from "node:http";

type Attribute = { key: string; value: { stringValue?: string; intValue?: string } };
/** A span as it is exported. */
export type Exported = {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  attributes: Attribute[];
  links: { traceId: string; spanId: string }[];
  status: { message?: string; code?: number };
  kind: number;
};

/** Stands for a collector: keeps in memory what is exported to it (OTLP over HTTP, JSON). */
export async function startCollector() {
  const spans: Exported[] = [];
  const resources: Attribute[][] = [];
  let answers = true;
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) text += chunk;
    const { resourceSpans } = JSON.parse(text) as {
      resourceSpans: { scopeSpans: { spans: Exported[] }[]; resource: { attributes: Attribute[] } }[];
    };
    spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
    resources.push(...resourceSpans.map(({ resource }) => resource.attributes));
    if (!answers) return;
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(typeof address === "object" && address);
  return {
    url: `http://127.0.0.1:${address.port}`,
    spans: spans as readonly Exported[],
    resources: resources as readonly Attribute[][],
    /** From now on it takes what comes, and says nothing. */
    hang(): void {
      answers = false;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
