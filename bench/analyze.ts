import { execFileSync } from "node:child_process";
import path from "node:path";
import { createTopics } from "../dev/embedded.ts";
import { readRules } from "../src/analyze/rule_files.ts";
import type { LogLine } from "../test/support/service.ts";
import {
  announcement,
  noSamples,
  openUploads,
  sampleArchive,
  samples,
  startArchiveServer,
} from "../test/support/uploads.ts";
import { type Options, type Report, type Result, result } from "./report.ts";
import { connect, openBenchServers, settings } from "./support/bench_database.ts";
import { secondsOf, startProcess } from "./support/processes.ts";

const runs = 3;
const root = path.join(import.meta.dirname, "..");

/**
 * Announcement → result on its topic: 1,000 uploads times `scale` of a real archive (93 kB, 187 files) wait on
 * the topic; `ccx analyze` fetches each over HTTP and runs the rules of this project. With TEST_PYTHON, a
 * Python that has insights-core, also with four of these rules in Python alone.
 */
export async function run({ scale }: Options): Promise<Report> {
  if (noSamples) throw new Error(noSamples);
  const uploads = Math.max(50, Math.round(1_000 * scale));
  await using servers = await openBenchServers({ kafka: true });
  await using template = await servers.createMigrated();
  const client = await connect(template.url);
  const machine = await settings(client);
  await client.end();
  const results: Result[] = [await perSecond(servers, template, uploads, "13 rules in SQL", {}, true)];
  const python = process.env.TEST_PYTHON;
  if (python) {
    execFileSync(python, ["-c", "import insights"]);
    const env = {
      CCX_PYTHON: python,
      CCX_RULES_PYTHON: "ccx_test_rules.rules",
      PYTHONPATH: path.join(root, "test/analyze/python"),
      CCX_ANALYZERS: "2",
    };
    results.push(await perSecond(servers, template, uploads, "4 rules in Python", env, false));
  }
  return { results, ratios: {}, machine };
}

type Servers = Awaited<ReturnType<typeof openBenchServers>>;

async function perSecond(
  servers: Servers,
  template: { url: string },
  uploads: number,
  name: string,
  env: Record<string, string>,
  withRules: boolean,
): Promise<Result> {
  await using server = await startArchiveServer();
  const url = server.serve("/archive", await sampleArchive("healthy"));
  const figures: number[] = [];
  for (let run = 0; run < runs; run++) {
    await using database = await servers.createDatabase(template);
    if (withRules) {
      await using client = await connect(database.url);
      await client.query("select from load_rules($1)", [
        JSON.stringify(await readRules(path.join(root, "rules"))),
      ]);
    }
    const results = `ccx.bench.analyze.${process.pid}.${name.length}.${run}`;
    const topics = await createTopics(servers.brokers, [results]);
    await using topic = await openUploads(servers.brokers, results);
    const { cluster } = samples.healthy;
    await topic.announce(
      Array.from({ length: uploads }, (_, n) =>
        announcement({ url, cluster, requestId: `bench-${run}-${n}` }),
      ),
    );
    await using analyzer = startProcess("analyze", {
      ...{ DATABASE_URL: database.url, KAFKA_BROKERS: servers.brokers, CCX_RESULTS_TOPIC: results, ...env },
      ...{
        CCX_ANNOUNCEMENTS_TOPIC: topic.topic,
        CCX_ANALYZE_GROUP: topic.group,
        CCX_KEEP_ARCHIVES_PER_HOUR: "0",
      },
    });
    const published = (line: LogLine) => Number(line.published);
    await analyzer.counted("results published", published, uploads, 120_000 + uploads * 200);
    // what joining the group takes does not count
    figures.push(uploads / secondsOf(analyzer.service.said("archive analyzed")));
    await analyzer.service.stop();
    await topics.drop();
  }
  return result(name, "archives/s", figures);
}
