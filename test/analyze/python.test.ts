import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { PythonEngine } from "../../src/analyze/python/engine.ts";
import { readRules } from "../../src/analyze/rule_files.ts";
import { unpack } from "../../src/analyze/unpack.ts";
import { createLogger } from "../../src/log.ts";
import { testDatabase } from "../support/database.ts";
import { scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";
import { uploading } from "../support/uploading.ts";
import { announcement, archiveOf, noSamples, resultOf, sampleArchive, samples } from "../support/uploads.ts";

const database = testDatabase();
const rulesFolder = path.join(import.meta.dirname, "../../rules");
const python = process.env.TEST_PYTHON ?? "python3";
process.env.PYTHONPATH = path.join(import.meta.dirname, "python");

function without(): string | false {
  try {
    execFileSync(python, ["-c", "import insights"], { stdio: "ignore" });
    return false;
  } catch {
    return "insights-core is not installed: set TEST_PYTHON to a Python that has it";
  }
}
const skip = without();

const engineOf = (packages: string[], more: { ruleTimeoutMs?: number; timeoutMs?: number } = {}) =>
  new PythonEngine({
    ...{ python, packages, ruleTimeoutMs: 5_000, timeoutMs: 20_000, maxMemoryBytes: 2 ** 30, ...more },
    log: createLogger("silent"),
  });

type Report = {
  reports: {
    rule_id: string;
    component: string;
    key: string;
    details: Record<string, unknown>;
    tags: string[];
  }[];
  failures: { component: string; reason: string; detail: string }[];
  rules: number;
};

/** Unpacks an archive into a folder of its own and hands that to `work`. */
async function inFolder<T>(
  bytes: Buffer,
  work: (folder: string, files: Map<string, string>) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), "ccx-test-"));
  try {
    const limits = { maxBytes: 1e8, maxUnpackedBytes: 1e8, maxEntries: 1e4 };
    const { texts } = await unpack(Readable.from([bytes]), limits, { wants: () => true, folder });
    return await work(folder, texts);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const analyze = async (engine: PythonEngine, bytes: Buffer): Promise<Report> =>
  inFolder(bytes, async (folder) => JSON.parse(await engine.analyze("1", folder)));

const anArchive = (how = "") =>
  archiveOf({
    "config/id": "00000000-0000-4000-8000-000000000001",
    "config/version.json": JSON.stringify({ how }),
  });

test("both engines find the same in the same archives, field by field", {
  skip: skip || noSamples,
}, async () => {
  const rules = await readRules(rulesFolder);
  const engine = engineOf(["ccx_test_rules.rules"]);
  try {
    await database.pool.query("select from load_rules($1)", [JSON.stringify(rules)]);
    let compared = 0;
    for (const name of Object.keys(samples) as (keyof typeof samples)[]) {
      const bytes = await sampleArchive(name);
      const inPython = await analyze(engine, bytes);
      assert.deepEqual(inPython.failures, []);
      for (const rule of [
        "operator_degraded",
        "prerelease_version",
        "network_openshift_sdn",
        "container_restarts",
      ]) {
        const { hits, reason } = await inFolder(bytes, async (_, files) => {
          const given = [rule, [...files.keys()], [...files.values()]];
          return (await database.pool.query("select * from probe_rule($1, $2, $3)", given)).rows[0];
        });
        assert.equal(reason, null);
        const theirs = inPython.reports.filter(
          ({ component }) => component === `ccx_test_rules.rules.${rule}`,
        );
        assert.deepEqual(
          hits.map(({ key, details }: { key: string; details: object }) => ({
            key,
            details: { ...details, type: "rule", error_key: key },
            tags: rules.find((one) => one.name === rule)?.tags,
          })),
          theirs.map(({ key, details, tags }) => ({ key, details, tags })),
          `${rule} on ${name}`,
        );
        compared += hits.length;
      }
    }
    assert.equal(compared, 5);
    assert.equal(engine.pids.length, 1, "one process for all archives");
  } finally {
    engine.close();
  }
});

test("a Python rule that raises or loops is left out, the others count, and the process lives on", {
  skip,
}, async () => {
  const engine = engineOf(["ccx_test_rules.bad_rules"], { ruleTimeoutMs: 200 });
  try {
    await engine.start();
    const pids = engine.pids;
    for (let round = 0; round < 2; round++) {
      const { reports, failures, rules } = await analyze(engine, await anArchive());
      assert.equal(rules, 3, "one lacks what it needs, and does not run");
      assert.deepEqual(
        reports.map(({ rule_id, details }) => [rule_id, details]),
        [["bad_rules|FINE_RULE", { of: "the same archive", type: "rule", error_key: "FINE_RULE" }]],
      );
      assert.deepEqual(failures.map(({ component, reason }) => [component, reason]).sort(), [
        ["ccx_test_rules.bad_rules.loops", "timed_out"],
        ["ccx_test_rules.bad_rules.raises", "raised"],
      ]);
    }
    assert.deepEqual(engine.pids, pids);
  } finally {
    engine.close();
  }
});

test("a process that ends, hangs or talks nonsense is replaced, and the next archive is analyzed", {
  skip,
}, async () => {
  const engine = engineOf(["ccx_test_rules.ending_rules"], { ruleTimeoutMs: 200, timeoutMs: 1_500 });
  try {
    for (const how of ["exit", "hang", "shout"]) {
      const [before] = engine.pids;
      await assert.rejects(analyze(engine, await anArchive(how)), { failure: "engine_failed" }, how);
      const { reports } = await analyze(engine, await anArchive());
      assert.equal(reports[0]?.key, "STILL_HERE");
      const [after, ...others] = engine.pids;
      assert.deepEqual(others, []);
      assert.notEqual(after, before);
    }
    const { reports, failures } = await analyze(engine, await anArchive("memory"));
    assert.deepEqual(
      [reports, failures.map(({ reason }) => reason)],
      [[], ["raised"]],
      "it may take so much, no more",
    );
    const pid = engine.pids[0] ?? 0;
    engine.close();
    await until("no process is left", () => !existsSync(`/proc/${pid}/cmdline`) || engine.pids.length === 0);
  } finally {
    engine.close();
  }
});

test("rules that cannot be loaded are a matter for a person, and so is a Python that is not there", {
  skip,
}, async () => {
  for (const [packages, message] of [
    [["ccx_no_such_package"], /cannot be loaded: .*ccx_no_such_package/],
    [["ccx_test_rules.archive"], /there are no rules in ccx_test_rules.archive/],
  ] as const) {
    const engine = engineOf([...packages]);
    await assert.rejects(engine.start(), { name: "ConfigurationError", message });
    assert.deepEqual(engine.pids, []);
  }
  const absent = new PythonEngine({
    ...{
      python: "/no/such/python",
      packages: ["a"],
      ruleTimeoutMs: 100,
      timeoutMs: 100,
      maxMemoryBytes: 2 ** 30,
    },
    log: createLogger("silent"),
  });
  await assert.rejects(absent.start(), {
    name: "ConfigurationError",
    message: /no\/such\/python cannot run/,
  });
});

test("a Python process gets no secret of ours", { skip }, async () => {
  process.env.CCX_SECRET_OF_OURS = "hunter2";
  const engine = engineOf(["ccx_test_rules.rules"]);
  try {
    await engine.start();
    const environment = execFileSync("cat", [`/proc/${engine.pids[0]}/environ`], { encoding: "utf8" });
    assert.doesNotMatch(environment, /hunter2|DATABASE_URL|TEST_DATABASE/);
    assert.match(environment, /PYTHONPATH/);
  } finally {
    engine.close();
  }
});

scenario(
  "a service with both engines publishes the hits of both in one result",
  { skip: skip || noSamples },
  async (scene) => {
    await using owned = new AsyncDisposableStack();
    const temporary = await mkdtemp(path.join(tmpdir(), "ccx-test-"));
    owned.defer(() => rm(temporary, { recursive: true }));
    const { server, uploads, env } = await uploading(scene, owned);
    const [only] = (await readRules(rulesFolder)).filter(({ name }) => name === "image_registry_empty_dir");
    await scene.rows("select from load_rules($1)", [JSON.stringify([only])]);
    const url = server.serve("/mixed", await sampleArchive("mixed"));
    await uploads.announce([announcement({ url, cluster: samples.mixed.cluster })]);
    const service = scene.start("analyze", {
      env: {
        ...{
          ...env,
          CCX_PYTHON: python,
          CCX_RULES_PYTHON: "ccx_test_rules.rules",
          PYTHONPATH: process.env.PYTHONPATH ?? "",
        },
        ...{ CCX_RULE_TIMEOUT_MS: "20000", CCX_RULES_TIMEOUT_MS: "40000", TMPDIR: temporary },
      },
    });
    const [message] = await uploads.published(1);
    assert.ok(message);
    const { Report } = resultOf(message) as unknown as {
      Report: Report & { analysis_metadata: { plugin_sets: object } };
    };
    assert.deepEqual(
      Report.reports.map(({ component }) => component),
      [
        "ccx_rules_sql.image_registry_empty_dir.report",
        "ccx_test_rules.rules.container_restarts",
        "ccx_test_rules.rules.network_openshift_sdn",
        "ccx_test_rules.rules.operator_degraded",
      ],
    );
    assert.deepEqual(Object.keys(Report.analysis_metadata.plugin_sets), [
      "ccx-notifications",
      "insights-core",
    ]);
    await service.stop();
    assert.deepEqual(await readdir(temporary), [], "no folder is left behind");
  },
);

scenario("a service whose Python rules cannot be loaded ends with one line", { skip }, async (scene) => {
  const service = scene.start("analyze", {
    env: { CCX_PYTHON: python, CCX_RULES_PYTHON: "ccx_no_such_package" },
  });
  assert.deepEqual(await service.ends(), { code: 1, signal: null });
  assert.match(service.stderr, /^ccx: The rules of CCX_RULES_PYTHON cannot be loaded: .*ccx_no_such_package/);
});
