import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { type Scene, scenario } from "../support/scene.ts";
import { testKafka } from "../support/topic.ts";
import { until } from "../support/until.ts";
import { oneFile, uploading } from "../support/uploading.ts";
import { announcement, archiveOf } from "../support/uploads.ts";

const cluster = "00000000-0000-4000-8000-00000000000a";

/** Has the database refuse a value, as it would one that it cannot hold, of rows for which this is true. */
const refuse = (scene: Scene, when: "insert" | "update", condition: string) =>
  scene.rows(
    `create function refuse() returns trigger language plpgsql as $$
     begin raise exception 'this cannot be held' using errcode = 'invalid_parameter_value'; end $$;
     create trigger refuse before ${when} on analysis for each row when (${condition}) execute function refuse()`,
  );

const rule = (name: string, source: string) => ({
  ...{ name, component: `a.${name}.report`, description: name, reads: ["**"], tags: [], links: {}, source },
});
const load = (scene: Scene, ...rules: object[]) =>
  scene.rows("select rule from load_rules($1)", [JSON.stringify(rules)]);

scenario("an announcement that cannot be read is put aside with its bytes", {}, async (scene) => {
  await using owned = new AsyncDisposableStack();
  const { server, uploads, env, loaded } = await uploading(scene, owned);
  await loaded();
  await refuse(scene, "insert", "new.request_id = 'poison'");
  const url = server.serve("/one", await archiveOf(oneFile(cluster)));
  const large = announcement({ url, requestId: "large", more: { padding: "x".repeat(300_000) } });
  await uploads.announce([
    announcement({ url, requestId: "poison" }),
    large,
    announcement({ url, requestId: "nul" }).replace("nul", "n\0l"),
    announcement({ url, requestId: "good" }),
  ]);
  const service = scene.start("analyze", { env });
  await uploads.published(1);
  assert.deepEqual(
    await scene.rows(
      `select failure, octet_length(announcement) as bytes, redrivable from dead_analysis
       where failure <> 'not_json' order by failure`,
    ),
    [
      { failure: "announcement_too_large", bytes: 262_144, redrivable: false },
      {
        failure: "unreadable",
        bytes: announcement({ url, requestId: "poison" }).length,
        redrivable: false,
      },
    ],
  );
  assert.deepEqual(
    await scene.rows("select kafka_offset, failure from analysis order by kafka_offset"),
    ["unreadable", "announcement_too_large", "not_json", null].map((failure, nth) => ({
      ...{ kafka_offset: String(nth), failure },
    })),
  );
  await service.stop();
});

scenario("a topic of announcements that was created anew is a matter for a person", {}, async (scene) => {
  await using owned = new AsyncDisposableStack();
  const { uploads, env, loaded } = await uploading(scene, owned);
  await loaded();
  await uploads.announce(["no json"]);
  await scene.rows("insert into consumer_offset (topic, partition, next_offset) values ($1, 0, 1000)", [
    uploads.topic,
  ]);
  const service = scene.start("analyze", { env });
  assert.deepEqual(await service.ends(), { code: 1, signal: null });
  assert.match(
    service.stderr,
    /^ccx: topic .* was created anew; when that is so: delete from consumer_offset/m,
  );
});

scenario("a database that lost announcements gets them again", {}, async (scene) => {
  await using owned = new AsyncDisposableStack();
  const { uploads, env, loaded } = await uploading(scene, owned);
  await loaded();
  const bad = (...names: string[]) => uploads.announce(names.map((name) => `no json: ${name}`));
  const offsets = async () =>
    (await scene.rows("select kafka_offset from analysis order by kafka_offset")).map(
      (row) => row.kafka_offset,
    );
  await bad("a", "b");
  const service = scene.start("analyze", { env });
  await until("they are taken", async () => (await offsets()).length === 2);
  // as after a failover to a replica that was behind
  await scene.rows(
    "with gone as (delete from analysis) update consumer_offset set next_offset = 0 where topic = $1",
    [uploads.topic],
  );
  await bad("c");
  await until("all are there", async () => (await offsets()).length === 3);
  assert.deepEqual(await offsets(), ["0", "1", "2"]);
  await service.stop();
});

scenario("a result that nobody can hold is dead, and another one goes out", {}, async (scene) => {
  await using owned = new AsyncDisposableStack();
  const { server, uploads, env, ended } = await uploading(scene, owned);
  const admin = testKafka().admin();
  await admin.connect();
  const small = `${scene.topics.results}.small`;
  const configEntries = [{ name: "max.message.bytes", value: "20000" }];
  await admin.createTopics({ topics: [{ topic: small, numPartitions: 1, configEntries }] });
  owned.defer(async () => {
    await admin.deleteTopics({ topics: [small] });
    await admin.disconnect();
  });
  await load(
    scene,
    rule(
      "large",
      `select 'LARGE_ONE', jsonb_build_object('x', (select string_agg(md5(i::text), '') from generate_series(1, 1900) i))
       from files where path = 'large'`,
    ),
    rule("fine", "select 'FINE_RULE', '{}'::jsonb"),
  );
  await refuse(scene, "update", "new.request_id = 'poison' and new.state = 'analyzed'");
  await scene.rows(
    `create function forbid() returns trigger language plpgsql as $$
     begin raise exception 'permission denied for table audit' using errcode = '42501'; end $$`,
  );
  await scene.rows(
    `create trigger forbid before update on analysis for each row
     when (new.request_id = 'forbidden' and new.state = 'analyzed') execute function forbid()`,
  );
  const url = server.serve("/one", await archiveOf(oneFile(cluster)));
  const large = server.serve("/large", await archiveOf({ ...oneFile(cluster), large: "x" }));
  await uploads.announce([
    announcement({ url, requestId: "poison" }),
    announcement({ url, requestId: "forbidden" }),
    announcement({ url: large, requestId: "large" }),
    announcement({ url, requestId: "good" }),
  ]);
  const service = scene.start("analyze", { env: { ...env, CCX_RESULTS_TOPIC: small } });
  await ended(3);
  const forbidden = () => scene.rows("select failure from analysis where request_id = 'forbidden'");
  await until("what a person has to mend has failed", async () => (await forbidden())[0]?.failure !== null);
  assert.deepEqual(await scene.rows("select request_id, state, failure from analysis order by request_id"), [
    { request_id: "forbidden", state: "waiting", failure: "engine_failed" },
    { request_id: "good", state: "published", failure: null },
    { request_id: "large", state: "dead", failure: "result_too_large" },
    { request_id: "poison", state: "dead", failure: "not_storable" },
  ]);
  await service.stop();
});

scenario(
  "a kept archive has all texts, another one what the rules of that moment read",
  {},
  async (scene) => {
    await using owned = new AsyncDisposableStack();
    const { server, uploads, env } = await uploading(scene, owned);
    const counting = (reads: string[]) => ({
      ...rule(
        "counts",
        "select 'FILES_READ', jsonb_build_object('paths', array_agg(path order by path)) from files",
      ),
      reads,
    });
    const files = { ...oneFile(cluster), "config/b.json": "{}", "a.png": "x" };
    const url = server.serve("/one", await archiveOf(files));
    let nth = 0;
    const pathsOfNext = async () => {
      await uploads.announce([announcement({ url })]);
      return JSON.parse((await uploads.published(++nth))[nth - 1]?.value ?? "").Report.reports[0].details
        .paths;
    };
    await load(scene, counting(["config/b.json"]));
    const service = scene.start("analyze", { env: { ...env, CCX_KEEP_ARCHIVES_PER_HOUR: "1" } });
    assert.deepEqual(await pathsOfNext(), ["config/b.json", "config/id", "config/network.json"]);
    assert.deepEqual(await pathsOfNext(), ["config/b.json", "config/id"]);
    await load(scene, counting(["config/network.json"]));
    assert.deepEqual(await pathsOfNext(), ["config/id", "config/network.json"]);
    assert.equal(await scene.value("select count(*)::integer from archive_document"), 3);
    await service.stop();
  },
);

scenario("who stops gives back what has not come yet, untried", {}, async (scene) => {
  await using owned = new AsyncDisposableStack();
  const { server, uploads, env, loaded } = await uploading(scene, owned);
  await loaded();
  const folders = async () =>
    (await readdir(tmpdir())).filter((name) => name.startsWith("ccx-archive-")).length;
  const before = await folders();
  const url = server.serve("/slow", (_, response) => void response.writeHead(200).write("x"));
  await uploads.announce([announcement({ url })]);
  const service = scene.start("analyze", { env });
  await until("it is being fetched", () => server.times("/slow") === 1);
  await service.stop();
  assert.deepEqual(
    await scene.rows("select state, attempts, failure, next_attempt_at <= now() as is_due from analysis"),
    [{ state: "waiting", attempts: 0, failure: null, is_due: true }],
  );
  assert.ok((await folders()) <= before);
});
