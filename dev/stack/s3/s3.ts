import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Guard } from "../guard.ts";
import { findJars, jarsOf } from "../jars.ts";
import { jvmOptions } from "../kafka/settings.ts";
import { type Server, startServer } from "../server.ts";

export type RunningS3 = {
  endpoint: string;
  bucket: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
} & Pick<Server, "pid" | "stop">;

const s3proxy = {
  name: "s3proxy",
  folder: "s3proxy-2.6.0",
  pom: path.join(import.meta.dirname, "pom.xml"),
  orElse: "to test the archive store s3",
};

/** It logs every step otherwise. */
const logback = `<configuration>
  <appender name="err" class="ch.qos.logback.core.ConsoleAppender"><target>System.err</target>
    <encoder><pattern>%d %-5level %logger{20} %msg%n</pattern></encoder></appender>
  <root level="WARN"><appender-ref ref="err"/></root>
</configuration>
`;

/**
 * Starts an S3 server on loopback, with one empty bucket, which refuses signatures that are wrong or have
 * expired. It ends with this process. Its jars are fetched with Maven the first time (some 43 MB).
 * @param directory an empty folder for its data and its log
 * @param host how clients call it; the name of the bucket in front of it leads to the bucket
 */
export async function startS3(
  directory: string,
  guard: Guard,
  { host = "127.0.0.1", log = () => {} }: { host?: string; log?: (line: string) => void } = {},
): Promise<RunningS3> {
  const { java, folder } = await findJars(s3proxy, directory, guard, log);
  const logFile = path.join(directory, "s3.log");
  const about = {
    bucket: "archives",
    region: "us-east-1",
    accessKeyId: "ccx-development",
    secretAccessKey: "only-on-this-machine",
  };
  await mkdir(path.join(directory, "data", about.bucket), { recursive: true });
  const logging = path.join(directory, "logback.xml");
  await writeFile(logging, logback);
  const properties = path.join(directory, "s3.properties");
  const { process: server, answer: endpoint } = await startServer(
    "s3proxy",
    logFile,
    async ([port]) => {
      const settings = {
        "s3proxy.endpoint": `http://127.0.0.1:${port}`,
        "s3proxy.authorization": "aws-v2-or-v4",
        "s3proxy.identity": about.accessKeyId,
        "s3proxy.credential": about.secretAccessKey,
        "s3proxy.virtual-host": host,
        // of today's AWS clients
        "s3proxy.ignore-unknown-headers": "true",
        "jclouds.provider": "filesystem",
        "jclouds.filesystem.basedir": path.join(directory, "data"),
      };
      const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
      await writeFile(properties, lines.join(""));
      return guard.spawn(
        java,
        [
          ...jvmOptions(directory),
          `-Dlogback.configurationFile=${logging}`,
          ...["-cp", await jarsOf(folder), "org.gaul.s3proxy.Main", "--properties", properties],
        ],
        { logFile, cwd: directory, signal: "SIGKILL" },
      );
    },
    async ([port]) => {
      await fetch(`http://127.0.0.1:${port}/`);
      return `http://${host}:${port}`;
    },
  );
  return { ...about, endpoint, pid: server.pid, stop: () => server.stop() };
}
