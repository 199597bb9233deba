import fastify from "fastify";
import { ConfigurationError, messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";

/** What a path answers. */
export type Answer = { status: number; type: string; body: string };

export type Routes = Readonly<Record<string, () => Answer | Promise<Answer>>>;

export type Server = {
  /** the port that it listens on */
  port: number;
  /** Answers nothing any more; what is being answered is cut off. */
  close(): Promise<void>;
};

const json = "application/json; charset=utf-8";

/** An answer in JSON. */
export const jsonAnswer = (status: number, body: unknown): Answer => ({
  status,
  type: json,
  body: `${JSON.stringify(body)}\n`,
});

/**
 * The HTTP server of this process: answers GET and HEAD for these paths. `port` 0 takes any that is free.
 * Throws ConfigurationError when it cannot listen there.
 */
export async function startServer(
  { host, port, routes }: { host: string; port: number; routes: Routes },
  log: Logger,
): Promise<Server> {
  const server = fastify({
    logger: false,
    forceCloseConnections: true,
    requestTimeout: 10_000,
    bodyLimit: 1_024,
  });
  for (const [path, answer] of Object.entries(routes))
    server.get(path, async (_request, reply) => {
      const { status, type, body } = await answer();
      return reply.code(status).header("content-type", type).header("cache-control", "no-store").send(body);
    });
  server.setNotFoundHandler((_request, reply) =>
    reply
      .code(404)
      .header("content-type", json)
      .send(JSON.stringify({ paths: Object.keys(routes) })),
  );
  server.setErrorHandler((error, _request, reply) => {
    const { statusCode = 500 } = error as { statusCode?: number };
    if (statusCode >= 500) log.warn({ error: messageOf(error) }, "an HTTP request failed");
    return reply
      .code(statusCode)
      .header("content-type", json)
      .send(JSON.stringify({ error: messageOf(error) }));
  });
  try {
    await server.listen({ host, port });
  } catch (error) {
    await server.close();
    throw new ConfigurationError(
      `CCX_HTTP_PORT and CCX_HTTP_HOST name an address that cannot be listened on: ${messageOf(error)}.`,
      { cause: error },
    );
  }
  const address = server.server.address();
  return { port: typeof address === "object" && address ? address.port : port, close: () => server.close() };
}
