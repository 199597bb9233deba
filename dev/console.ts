import { existsSync } from "node:fs";
import { loadConfig, requireKeys } from "../src/config/config.ts";
import { createPool, endPool } from "../src/db/pool.ts";
import { startServer } from "../src/http/server.ts";
import { createLogger } from "../src/log.ts";
import { servedRooms } from "../src/run/serve.ts";

export type OpenConsole = AsyncDisposable & { url: string; port: number };

/** The console as `ccx serve` mounts it, on a port of this machine, without the rest of the service. */
export async function startConsole(
  databaseUrl: string,
  env: Record<string, string> = {},
  port = 0,
): Promise<OpenConsole> {
  const log = createLogger("silent");
  const config = loadConfig({ env: { DATABASE_URL: databaseUrl, KAFKA_BROKERS: "127.0.0.1:9", ...env } });
  requireKeys(config, ["databaseUrl", "kafkaBrokers"]);
  const { signal } = new AbortController();
  const pool = createPool({ databaseUrl: config.databaseUrl, size: 2, name: "ccx console scene", log });
  const rooms = servedRooms({ roles: ["serve"], config, log, signal, pool });
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
