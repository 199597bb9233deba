import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { createLogger } from "../../src/log.ts";
import { registryLines } from "../../src/results/registry/lines.ts";
import { loadRegistry } from "../../src/results/registry/load.ts";
import { refreshRegistry } from "../../src/results/registry/refresh.ts";
import { runCcx } from "../support/command.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { startRegistryService } from "../support/registry_service.ts";
import { testApi } from "../support/results_api.ts";
import { ccx, cleanEnvironment } from "../support/service.ts";

const database = testDatabase();
const { ask } = testApi(database);
const c = (nth: number) => `22222222-2222-4222-8222-2222222222${String(nth).padStart(2, "0")}`;
const header = "cluster,org_id,display_name,managed,status";

/** What is registered, one line a cluster. */
const registered = async (): Promise<string[]> =>
  (
    await database.pool.query(
      `select right(cluster, 2) || ' ' || concat_ws(' ', org_id, display_name, managed, status, source) as line
       from cluster_registry order by cluster, org_id`,
    )
  ).rows.map(({ line }) => line);
const emptied = () => database.pool.query("delete from cluster_registry; delete from registry_source");

/** The command on a file of these bytes. */
async function load(t: TestContext, content: string | Uint8Array, ...options: string[]) {
  const folder = await mkdtemp(join(tmpdir(), "registry-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "clusters.csv");
  await writeFile(file, content);
  const { code, stdout, stderr } = await runCcx(["registry", "load", file, ...options], {
    DATABASE_URL: database.url,
  });
  return { code, stdout, stderr: stderr.replaceAll(file, "FILE").split("\n").slice(0, -1) };
}
const csv = (...lines: string[]) => [header, ...lines, ""].join("\n");

test("a file is taken over as it is written: quotes, commas, blanks, capitals, any order of columns", async (t) => {
  await emptied();
  assert.deepEqual(
    await load(
      t,
      `\uFEFFOrg_ID, Cluster ,display_name,status,managed\r\n11,${c(1).toUpperCase()},"shop, ""main""",Active,TRUE\r\n` +
        `\r\n 11 , ${c(2)} , café 店 ,Archived,0\r11,${c(3)},,,\n0012,"${c(1)}" ,"",Stale,yes`,
    ),
    { code: 0, stdout: "4 added, 0 changed, 0 removed, 0 unchanged\n", stderr: [] },
  );
  assert.deepEqual(await registered(), [
    '01 11 shop, "main" t Active file',
    `01 12 ${c(1)} t Stale file`,
    "02 11 café 店 f Archived file",
    `03 11 ${c(3)} f Active file`,
  ]);
  const { json } = await ask("GET", "/api/v2/clusters");
  assert.deepEqual(
    json.data.map((cluster: Record<string, unknown>) => [cluster.cluster_name, cluster.managed]),
    [
      ['shop, "main"', true],
      [c(3), false],
    ],
    "what is archived, or somebody else's, is not listed",
  );
  const list = async (...options: string[]) =>
    JSON.parse(
      (await runCcx(["registry", "list", "--json", ...options], { DATABASE_URL: database.url })).stdout,
    ).map(({ org_id, cluster }: { org_id: string; cluster: string }) => `${org_id} ${cluster.slice(-2)}`);
  assert.deepEqual(await list(), ["11 01", "11 02", "11 03", "12 01"]);
  assert.deepEqual(await list("--org", "11", "--limit", "2"), ["11 01", "11 02"]);
  assert.deepEqual(await list("--cluster", c(1).toUpperCase()), ["11 01", "12 01"]);
  assert.deepEqual(await list("--source", "http"), []);
});

test("stdin is a file, too", async () => {
  await emptied();
  const child = spawn(process.execPath, [ccx, "registry", "load", "-"], {
    stdio: ["pipe", "pipe", "inherit"],
    env: cleanEnvironment({ DATABASE_URL: database.url }),
  });
  child.stdin.end(csv(`${c(1)},11,shop,false,Active`));
  const [out, [code]] = await Promise.all([text(child.stdout), once(child, "close")]);
  assert.deepEqual([code, out], [0, "1 added, 0 changed, 0 removed, 0 unchanged\n"]);
});

test("each line that does not conform is left out by its number, and its cluster stays as it was", async (t) => {
  await emptied();
  await load(t, csv(`${c(1)},11,one,false,Active`, `${c(2)},11,two,false,Active`));
  const { stderr, ...said } = await load(
    t,
    csv(
      `${c(1)},11,one,perhaps,Active`,
      `${c(2)},11,zwei,false,Active`,
      `${c(2)},11,again,false,Active`,
      "",
      `${c(3)},11,${"x".repeat(256)},false,Active`,
      `${c(3)},11,a\tb,false,Active`,
      `${c(3)},11,x,false,${"y".repeat(65)}`,
      `${c(3)},11,x,false,a\u0007b`,
      `${c(4)},11,${"x".repeat(255)},false,${"y".repeat(64)}`,
    ),
  );
  assert.deepEqual(said, { code: 0, stdout: "1 added, 1 changed, 0 removed, 0 unchanged, 6 left out\n" });
  assert.deepEqual(stderr, [
    'ccx: line 2: managed is neither true nor false: "perhaps"',
    "ccx: line 4: the cluster is in line 3 already",
    "ccx: line 6: the name is longer than 255 characters",
    "ccx: line 7: the name holds a character that cannot be seen",
    "ccx: line 8: the status is longer than 64 characters",
    "ccx: line 9: the status holds a character that cannot be seen",
  ]);
  assert.deepEqual((await registered()).slice(0, 2), ["01 11 one f Active file", "02 11 zwei f Active file"]);
});

test("while a line can be anybody's, no cluster is removed; then those that left are", async (t) => {
  await emptied();
  await load(t, csv(`${c(1)},11,one,,`, `${c(2)},11,two,,`));
  for (const [line, problem] of [
    ["not-a-uuid,11,two,,", 'the cluster is no UUID: "not-a-uuid"'],
    [`{${c(2)}},11,two,,`, `the cluster is no UUID: "{${c(2)}}"`],
    [`${c(2)},0,two,,`, 'the organization is no number: "0"'],
    [`${c(2)},-1,two,,`, 'the organization is no number: "-1"'],
    [`${c(2)},1e3,two,,`, 'the organization is no number: "1e3"'],
    [`${c(2)},9999999999999999,two,,`, 'the organization is no number: "9999999999999999"'],
    [`${c(2)},,two,,`, 'the organization is no number: ""'],
    [`${c(2)},11,two,`, "has 4 fields, where the header has 5"],
    [`${c(2)},11,two,,,`, "has 6 fields, where the header has 5"],
    [`${c(2)},11,"two,,`, "a quote is not closed, not doubled, or does not begin its field"],
    [`${c(2)},11,t"w"o,,`, "a quote is not closed, not doubled, or does not begin its field"],
    [`${c(2)},11,"t"wo,,`, "a quote is not closed, not doubled, or does not begin its field"],
    [`${c(2)},11,t\0,,`, "holds a character that cannot be stored"],
  ] as const) {
    const { stdout, stderr } = await load(t, csv(line, `${c(1)},11,one,,`));
    assert.deepEqual(stderr, [`ccx: line 2: ${problem}`]);
    assert.equal(stdout, "0 added, 0 changed, 0 removed, 1 unchanged, 1 left out\n");
  }
  const { stdout } = await load(t, csv(`${c(1)},11,one,,`));
  assert.equal(stdout, "0 added, 0 changed, 1 removed, 1 unchanged\n");
  assert.deepEqual(await registered(), ["01 11 one f Active file"]);
});

test("what is no such file is refused whole, in one line, and changes nothing", async (t) => {
  await emptied();
  await load(t, csv(`${c(1)},11,one,,`));
  const before = await registered();
  const wrongHeader =
    "has to begin with a header of cluster, org_id, display_name, managed, status, each at most once; cluster and org_id are needed";
  for (const [content, problem] of [
    ["", `has no header: ${header}`],
    ["\n\n", `has no header: ${header}`],
    ['"cluster,org_id\n', `has no header: ${header}`],
    [`${c(1)},11,one,,\n`, wrongHeader],
    ["cluster\n", wrongHeader],
    ["cluster,org_id,cluster\n", wrongHeader],
    ["cluster,org_id,name\n", wrongHeader],
    ["cluster;org_id\n", wrongHeader],
    [Buffer.from([0xff, 0xfe, 0x63, 0x00]), "is not UTF-8"],
    [Buffer.concat([Buffer.from(csv(`${c(2)},11,x,,`)), Buffer.from([0xc3])]), "is not UTF-8"],
  ] as const)
    assert.deepEqual(await load(t, content), { code: 1, stdout: "", stderr: [`ccx: FILE ${problem}`] });
  for (const file of ["/nowhere.csv", "/"]) {
    const { code, stderr } = await runCcx(["registry", "load", file], { DATABASE_URL: database.url });
    assert.deepEqual([code, stderr.split("(")[0]], [1, `ccx: ${file} cannot be read `]);
  }
  assert.deepEqual(await registered(), before);
});

test("a load that would take away or change much needs somebody who means it", async (t) => {
  await emptied();
  const many = Array.from({ length: 40 }, (_, nth) => `${c(nth)},11,name ${nth},,`);
  await load(t, csv(...many));
  const before = await registered();
  const refusal = (removed: number, changed: number) => ({
    code: 1,
    stdout: "",
    stderr: [
      `ccx: this would remove ${removed} and change ${changed} of the 40 clusters that file has, more than 20 %; nothing was taken over (--yes says that it is meant)`,
    ],
  });
  const fewer = csv(...many.slice(0, 32).map((line) => line.replace(/name \d,/, "renamed,")));
  assert.deepEqual(await load(t, fewer), refusal(8, 10));
  assert.deepEqual(await load(t, csv()), refusal(40, 0));
  assert.deepEqual(await registered(), before);
  assert.match((await load(t, csv(...many.slice(0, 32)))).stdout, /^0 added, 0 changed, 8 removed/);
  assert.match((await load(t, csv(), "--yes")).stdout, /^0 added, 0 changed, 32 removed/);
  assert.match((await load(t, csv(...many))).stdout, /^40 added/, "the first clusters of all need nobody");
});

test("each source removes only its own; what is by hand, or another's, stays and is counted", async (t) => {
  await emptied();
  await database.pool.query(
    "insert into cluster_registry (cluster, org_id, display_name) values ($1, 11, 'by hand')",
    [c(1)],
  );
  await load(t, csv(`${c(2)},11,two,,`), "--source", "east");
  const { stdout } = await load(t, csv(`${c(1)},11,one,,`, `${c(2)},11,zwei,,`, `${c(3)},11,three,,`));
  assert.equal(
    stdout,
    "1 added, 0 changed, 0 removed, 0 unchanged, 2 kept as they were by hand or from another source\n",
  );
  await load(t, `${header}\n`, "--source", "east");
  assert.deepEqual(
    await registered(),
    ["01 11 by hand f Active ", "03 11 three f Active file"].map((line) => line.trimEnd()),
  );
  await load(t, csv(`${c(2)},11,zwei,,`, `${c(3)},11,three,,`));
  assert.equal((await registered()).length, 3, "who comes later has what the other gave up");
  await assert.rejects(database.pool.query("select load_registry('')"), { code: "NTT02" });
});

test("two loads of a source at once leave what one of them says", async () => {
  await emptied();
  const lines = (from: number) => Array.from({ length: 9 }, (_, nth) => `${c(from + nth)},11,of ${from},,`);
  await Promise.all(
    [10, 15, 20].map((from) =>
      loadRegistry(database.pool, Buffer.from(csv(...lines(from))), { source: "file" }, true),
    ),
  );
  const names = (await registered()).map((line) => line.split(" ").slice(2, 4).join(" "));
  assert.deepEqual([names.length, new Set(names).size], [9, 1]);
});

test("a cell takes its own clusters only", () =>
  rolledBack(database.pool, async (db) => {
    await db.query(
      "update cell set name = 'east', buckets = int4multirange(int4range(bucket_of($1), bucket_of($1), '[]'))",
      [c(1)],
    );
    await db.query(
      "select ccx.read_registry('{1,2}', $1, '{11,11}', '{a,b}', '{f,f}', '{A,A}', '{null,null}')",
      [[c(1), c(2)]],
    );
    const { rows } = await db.query("select added, elsewhere, refused from load_registry('cells')");
    assert.deepEqual(rows, [{ added: 1, elsewhere: 1, refused: 0 }]);
  }));

test("a line of many megabytes is one bad line, and ten thousand lines come in parts", async () => {
  await emptied();
  const long = Buffer.from(
    csv(`${c(1)},11,${'"'.repeat(4_000_001)},,`, `${c(1)},11,${"x".repeat(4_000_000)},,`),
  );
  const { refused, problems } = await loadRegistry(database.pool, long, { source: "file" }, true);
  assert.deepEqual([refused, problems.length], [2, 2]);
  const many = Array.from({ length: 12_001 }, (_, nth) => {
    const id = nth.toString(16).padStart(12, "0");
    return `33333333-3333-4333-8333-${id},${nth % 7 === 0 ? 0 : 11},name ${nth},,`;
  });
  const loaded = await loadRegistry(database.pool, Buffer.from(csv(...many)), { source: "file" }, true);
  assert.deepEqual(
    [loaded.added, loaded.refused, loaded.problems.length, loaded.problems[1]],
    [10_286, 1_715, 100, 'line 9: the organization is no number: "0"'],
  );
});

test("lines are numbered as an editor does, whatever ends them", () => {
  const numbered = (text: string) => [...registryLines(Buffer.from(text))].map(({ line }) => line);
  for (const end of ["\n", "\r\n", "\r"])
    assert.deepEqual(numbered(["", "cluster,org_id", "", "a,1", "b,2", ""].join(end)), [4, 5]);
});

/** `ccx registry fetch` against the service. */
const fetching =
  (service: Awaited<ReturnType<typeof startRegistryService>>, timeoutMs = 5_000) =>
  async (...options: string[]) => {
    const { code, stdout, stderr } = await runCcx(["registry", "fetch", ...options], {
      DATABASE_URL: database.url,
      CCX_REGISTRY_URL: service.url,
      CCX_REGISTRY_TOKEN: service.token,
      CCX_REGISTRY_TIMEOUT_MS: String(timeoutMs),
    });
    return { code, said: `${stdout}${stderr.replaceAll(service.name, "REGISTRY")}`.trimEnd() };
  };

test("a URL is asked for what is new only, also after clusters stood in its way", async () => {
  await emptied();
  await using service = await startRegistryService();
  const run = fetching(service);
  service.publish(`${c(1)},11,one,true,Active`, `${c(2)},11,two,,`);
  assert.deepEqual(await run(), { code: 0, said: "2 added, 0 changed, 0 removed, 0 unchanged" });
  const unchanged = { code: 3, said: "It has not changed since it was last loaded." };
  assert.deepEqual(await run(), unchanged);
  assert.deepEqual(await run("--json"), { code: 3, said: "null" });
  assert.deepEqual(service.took(), [200, 304, 304]);

  service.publish(`${c(1)},11,uno,true,Active`);
  assert.deepEqual(await run(), { code: 0, said: "0 added, 1 changed, 1 removed, 0 unchanged" });
  assert.deepEqual(await registered(), ["01 11 uno t Active http"]);

  await database.pool.query("update cluster_registry set source = null, display_name = 'mine'");
  service.publish(`${c(1)},11,uno,true,Active`, `${c(2)},11,two,,`);
  const kept = "0 unchanged, 1 kept as they were by hand or from another source";
  assert.deepEqual(await run(), { code: 0, said: `1 added, 0 changed, 0 removed, ${kept}` });
  await database.pool.query("delete from cluster_registry where source is null");
  assert.deepEqual(await run(), { code: 0, said: "1 added, 0 changed, 0 removed, 1 unchanged" });
  assert.deepEqual(await run(), unchanged);

  service.took();
  service.versioned(false);
  service.publish(`${c(1)},11,uno,true,Active`, `${c(2)},11,two,,`);
  for (let nth = 0; nth < 2; nth++)
    assert.deepEqual(await run(), { code: 0, said: "0 added, 0 changed, 0 removed, 2 unchanged" });
  assert.deepEqual(service.took(), [200, 200], "who names no version is asked for all of it");
  assert.deepEqual(service.unexpected, []);
});

test("an answer that is none is one line, noted until there is one, and changes nothing", async () => {
  await emptied();
  await using service = await startRegistryService();
  const run = fetching(service);
  service.publish(`${c(1)},11,one,,`);
  await run();
  const before = await registered();
  const bad: [Parameters<typeof service.behave>[0], string][] = [
    [{ body: "no", status: 500 }, "REGISTRY: answers with HTTP 500"],
    [{ body: "no", status: 401 }, "REGISTRY: answers with HTTP 401"],
    [
      { body: "", status: 302, headers: { location: "/elsewhere" } },
      "REGISTRY: answers with HTTP 302, a redirect, which is not followed",
    ],
    [{ body: "<!DOCTYPE html><p>Log in" }, "REGISTRY: answers with HTML, not with CSV"],
    [{ body: "" }, `REGISTRY has no header: ${header}`],
    [{ body: Uint8Array.of(0xff) }, "REGISTRY is not UTF-8"],
    [
      { body: csv(), headers: { "content-encoding": "gzip" } },
      "REGISTRY: answers compressed (gzip), which was not asked for",
    ],
    ["half-body", "REGISTRY: breaks off in the middle of its answer"],
    ["drop", "REGISTRY: cannot be reached (UND_ERR_SOCKET)"],
  ];
  for (const [behaviour, problem] of bad) {
    service.behave(behaviour);
    assert.deepEqual(await run(), { code: 1, said: `ccx: ${problem}` });
  }
  service.behave("hang");
  assert.deepEqual(await fetching(service, 200)(), {
    code: 1,
    said: "ccx: REGISTRY: does not answer within 200 ms",
  });
  assert.deepEqual(await registered(), before);
  assert.equal((await run()).code, 3, "the version that is loaded is the one that was");
  assert.deepEqual(service.unexpected, []);
});

test("304 is an answer only to who asked for changes", async () => {
  await emptied();
  await using service = await startRegistryService();
  service.behave({ body: "", status: 304 });
  assert.deepEqual(await fetching(service)(), {
    code: 1,
    said: "ccx: REGISTRY: answers with HTTP 304, a redirect, which is not followed",
  });
});

const end = async (source: string, ...options: string[]) => {
  const { code, stdout, stderr } = await runCcx(["registry", "end", source, ...options], {
    DATABASE_URL: database.url,
  });
  return [code, (stdout + stderr).replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00/g, "TIME").trimEnd()];
};

test("a source that nobody asks any more is noticed: after a good answer, after none, and after 304", async () => {
  await emptied();
  await using service = await startRegistryService();
  service.publish(`${c(1)},11,one,,`);
  const [source, log] = [
    { url: service.url, token: service.token, timeoutMs: 5_000 },
    createLogger("silent"),
  ];
  const missed = async () =>
    (await database.pool.query("select missed_rounds from metrics_registry where source = 'http'")).rows[0]
      ?.missed_rounds;
  /** As if that had been so long ago. */
  const later = (minutes: number) =>
    database.pool.query("update registry_source set asked_at = asked_at - make_interval(mins => $1)", [
      minutes,
    ]);
  for (const [answer, prepare] of [
    [200, () => undefined],
    [304, () => undefined],
    [500, () => service.behave({ body: "no", status: 500 })],
  ] as const) {
    prepare();
    await refreshRegistry(database.pool, source, log);
    assert.deepEqual([service.took(), await missed()], [[answer], 0]);
    await later(4);
    assert.equal(await missed(), 0, "it is asked every five minutes");
    await later(17);
    assert.equal(await missed(), 4);
  }
  await fetching(service)();
  assert.equal(await missed(), 0);
  await later(21);
  assert.equal(await missed(), 4, "a person who asks now does not say that anybody will");
});

test("a file that a person loads once is not missed, unless somebody says how often it is loaded", async (t) => {
  await emptied();
  await load(t, csv(`${c(1)},11,one,,`));
  await database.pool.query("update registry_source set asked_at = asked_at - interval '50 hours'");
  const missed = async () =>
    (await database.pool.query("select source, missed_rounds from metrics_registry order by 1")).rows.map(
      ({ source, missed_rounds }) => `${source} ${missed_rounds}`,
    );
  assert.deepEqual(await missed(), ["file 0", "http 0"]);
  await database.pool.query("update registry_source set asked_every = '1 day'");
  assert.deepEqual(await missed(), ["file 2", "http 0"]);
  await load(t, csv(`${c(1)},11,one,,`));
  assert.deepEqual(await missed(), ["file 0", "http 0"]);
});

test("a source is removed for good by a person, with its clusters or without, once nobody asks it", async (t) => {
  await emptied();
  await using service = await startRegistryService();
  service.publish(`${c(1)},11,one,,`, `${c(2)},11,two,,`);
  const source = { url: service.url, token: service.token, timeoutMs: 5_000 };
  await refreshRegistry(database.pool, source, createLogger("silent"));
  await load(t, csv(`${c(3)},11,three,,`));
  assert.deepEqual(await end("nowhere"), [1, 'ccx: the registry of clusters has no source "nowhere"']);
  assert.deepEqual(await end("http", "--with-clusters"), [
    1,
    "ccx: the source http is asked every 5 minutes; take it out of the configuration of whoever asks, and try again after TIME",
  ]);
  assert.equal((await registered()).length, 3);
  await database.pool.query("update registry_source set asked_at = now() - interval '11 minutes'");
  assert.deepEqual(await end("http"), [0, "The source is removed; 2 clusters stay, as if written by hand."]);
  assert.deepEqual(await registered(), [
    "01 11 one f Active",
    "02 11 two f Active",
    "03 11 three f Active file",
  ]);
  assert.deepEqual(await end("file", "--with-clusters"), [
    0,
    "The source is removed; 1 clusters were removed with it.",
  ]);
  assert.deepEqual(await registered(), ["01 11 one f Active", "02 11 two f Active"]);
  assert.equal((await database.pool.query("select from registry_source")).rowCount, 0);
});
