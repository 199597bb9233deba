import { createSecureContext, type TlsOptions } from "node:tls";
import fastify, {
  type FastifyInstance,
  type FastifyPluginAsync,
  type FastifyReply,
  type FastifyServerOptions,
} from "fastify";
import { ConfigurationError, messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";

/** What a path answers. */
export type Answer = { status: number; type: string; body: string };

/** The answer of each path, to whoever accepts what the header Accept says. */
export type Routes = Readonly<Record<string, (accept: string) => Answer | Promise<Answer>>>;

/**
 * What a room of the house serves: a plugin with its own paths, limits, and answers to what it does not know.
 */
export type HttpRoom = { readonly prefix: string; readonly plugin: FastifyPluginAsync };

export type Server = {
  /** the port that it listens on */
  port: number;
  /**
   * Takes no request any more, and resolves once what is being answered has its answer; after `graceMs`
   * milliseconds the rest is cut off. Without it, all is cut off at once.
   */
  close(graceMs?: number): Promise<void>;
};

const json = "application/json; charset=utf-8";

/** TLS of the server, as texts in PEM. */
export type ServerTls = {
  cert: string;
  key: string;
  /**
   * The authority of the gateways: a client may show a certificate of it, and is known by that. One without
   * is served as well: a room decides what it believes.
   */
  clientCa?: string | undefined;
};

type ServerOptions = {
  host: string;
  port: number;
  routes: Routes;
  rooms?: readonly HttpRoom[] | undefined;
  tls?: ServerTls | undefined;
  /** Once it is aborted, each answer asks its client to take another connection for the next request. */
  signal?: AbortSignal;
};

/** How often a server that closes looks for connections whose last request has its answer. */
const idleMs = 100;

/** How long a client may take to send its request: what it uploads may be large, and its line slow. */
const requestWithinMs = { bare: 10_000, rooms: 300_000 };

/** An answer in JSON. */
export const jsonAnswer = (status: number, body: unknown): Answer => ({
  status,
  type: json,
  body: `${JSON.stringify(body)}\n`,
});

/**
 * The HTTP server of this process: answers GET and HEAD for these paths, and what its rooms answer. `port` 0
 * takes any that is free; with `tls` it speaks nothing but TLS. Throws ConfigurationError when it cannot
 * listen there, or with that certificate.
 */
export async function startServer({ host, port, ...options }: ServerOptions, log: Logger): Promise<Server> {
  const server = await buildServer(options, log);
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
  return {
    port: typeof address === "object" && address ? address.port : port,
    async close(graceMs = 0) {
      // a connection that was busy at first would be kept for its next request
      const idle = setInterval(() => server.server.closeIdleConnections(), idleMs);
      const cut = setTimeout(() => server.server.closeAllConnections(), graceMs);
      try {
        await server.close();
      } finally {
        clearInterval(idle);
        clearTimeout(cut);
      }
    },
  };
}

/** The same without a port: it answers what is injected. Throws ConfigurationError for that certificate. */
export async function buildServer(
  { routes, rooms = [], tls, signal }: Omit<ServerOptions, "host" | "port">,
  log: Logger,
): Promise<FastifyInstance> {
  const server = fastify({
    ...(tls && { https: secured(tls) }),
    logger: false,
    forceCloseConnections: "idle",
    requestTimeout: rooms.length > 0 ? requestWithinMs.rooms : requestWithinMs.bare,
    bodyLimit: 1_024,
    // lists of clusters in a path; what may be in it, its room says
    routerOptions: { maxParamLength: 16_384 },
    // what is no URL at all never reaches a room
    frameworkErrors: (error, _request, reply: FastifyReply) =>
      void reply
        .code(400)
        .header("content-type", json)
        .send(JSON.stringify({ status: messageOf(error) })),
  } as FastifyServerOptions);
  server.addHook("onSend", async (_request, reply) => {
    if (signal?.aborted) reply.header("connection", "close");
  });
  for (const [path, answer] of Object.entries(routes))
    server.get(path, async (request, reply) => {
      const { status, type, body } = await answer(request.headers.accept ?? "");
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
  for (const { prefix, plugin } of rooms) await server.register(plugin, { prefix });
  return server;
}

/** Who shows no certificate, or one of somebody else, is served as a stranger. */
function secured({ cert, key, clientCa }: ServerTls): TlsOptions {
  const own = { cert, key, minVersion: "TLSv1.2" as const, ...(clientCa !== undefined && { ca: clientCa }) };
  try {
    createSecureContext(own);
  } catch (error) {
    throw new ConfigurationError(
      `CCX_HTTP_CERT_FILE, CCX_HTTP_KEY_FILE and CCX_HTTP_CLIENT_CA_FILE cannot be used: ` +
        `${messageOf(error)}.`,
      { cause: error },
    );
  }
  return { ...own, requestCert: clientCa !== undefined, rejectUnauthorized: false };
}
