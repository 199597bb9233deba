import { existsSync } from "node:fs";
import fastify from "fastify";
import type { Pool } from "pg";
import { loadConfig, requireKeys } from "../src/config/config.ts";
import { createPool, endPool } from "../src/db/pool.ts";
import { startServer } from "../src/http/server.ts";
import { createLogger } from "../src/log.ts";
import { consoleOf, servedRooms } from "../src/run/serve.ts";

export type OpenConsole = AsyncDisposable & { url: string; port: number };

const configOf = (databaseUrl: string, env: Record<string, string> = {}) => {
  const config = loadConfig({ env: { DATABASE_URL: databaseUrl, KAFKA_BROKERS: "127.0.0.1:9", ...env } });
  requireKeys(config, ["databaseUrl", "kafkaBrokers"]);
  return config;
};

/**
 * The console as `ccx serve` mounts it, on a port of this machine, without the rest of the service. Its pages
 * ask through `asked` where it is given, which is ended with it.
 */
export async function startConsole(
  databaseUrl: string,
  env: Record<string, string> = {},
  port = 0,
  asked?: Pool,
): Promise<OpenConsole> {
  const log = createLogger("silent");
  const config = configOf(databaseUrl, env);
  const { signal } = new AbortController();
  const pool = createPool({ databaseUrl: config.databaseUrl, size: 2, name: "ccx console scene", log });
  const rooms = asked
    ? [consoleOf({ config, log }, asked)]
    : servedRooms({ roles: ["serve"], config, log, signal, pool });
  const server = await startServer({ host: "127.0.0.1", port, routes: {}, rooms }, log);
  return {
    url: `http://127.0.0.1:${server.port}/console`,
    port: server.port,
    async [Symbol.asyncDispose]() {
      await server.close();
      await endPool(pool);
    },
  };
}

/** What the router of the console answers, such as `GET /clusters/:cluster`. */
export async function consoleRoutes(): Promise<string[]> {
  const { prefix, plugin } = consoleOf({
    config: configOf("postgres://127.0.0.1:9/none"),
    log: createLogger("silent"),
  });
  const server = fastify();
  const routes: string[] = [];
  server.addHook("onRoute", ({ method, url }) => {
    for (const one of [method].flat()) if (one !== "HEAD") routes.push(`${one} ${url.slice(prefix.length)}`);
  });
  await server.register(plugin, { prefix });
  await server.ready();
  await server.close();
  return routes;
}

/** Where a browser is that can be driven; undefined: none. */
export const chromium = (): string | undefined =>
  [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
    (file) => file !== undefined && existsSync(file),
  );

export const howToGetChromium = "there is no Chromium: apt-get install chromium, or name it in CHROMIUM";

/** What it is started with: a container has no user namespaces and little shared memory. */
export const chromiumArguments = [
  ...["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-extensions"],
  ...["--disable-background-networking", "--no-first-run", "--force-color-profile=srgb"],
];
