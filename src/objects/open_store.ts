import type { Pool } from "pg";
import { type Config, requireKeys } from "../config/config.ts";
import { DatabaseStore } from "./database.ts";
import { FolderStore } from "./folder.ts";
import type { ObjectStore } from "./store.ts";

/**
 * The store that the configuration names. Each process that stores, announces, analyzes or removes archives
 * needs the same. The S3 client is loaded only where it is used.
 * @throws ConfigurationError when something is missing that this store needs
 */
export async function openStore(config: Config, pool: Pool): Promise<ObjectStore> {
  const baseUrl = config.archiveBaseUrl ?? `http://127.0.0.1:${config.httpPort}`;
  switch (config.archiveStore) {
    case "database":
      return new DatabaseStore(pool, baseUrl);
    case "folder":
      requireKeys(config, ["archiveFolder"]);
      return new FolderStore(config.archiveFolder, pool, baseUrl);
    case "s3": {
      requireKeys(config, ["archiveS3Bucket"]);
      const { archiveS3AccessKeyId: accessKeyId, archiveS3SecretAccessKey: secretAccessKey } = config;
      const { S3Store } = await import("./s3.ts");
      return new S3Store({
        bucket: config.archiveS3Bucket,
        region: config.archiveS3Region,
        endpoint: config.archiveS3Endpoint,
        pathStyle: config.archiveS3PathStyle,
        credentials:
          accessKeyId !== undefined && secretAccessKey !== undefined
            ? { accessKeyId, secretAccessKey }
            : undefined,
      });
    }
  }
}
