import assert from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../dev/samples/random.ts";
import { bucketOf } from "../../src/cell/bucket_of.ts";
import { apply, queue, settings } from "../../src/fleet/sql.ts";
import { aCluster, type Row, rows, serviceLog, value } from "../support/builders.ts";
import { attachCell, openCells, openFleet } from "../support/cells.ts";
import { runCcx } from "../support/command.ts";
import type { TestDatabase } from "../support/database.ts";
import { startTcpProxy } from "../support/tcp_proxy.ts";

const at = "2036-03-01T12:00:00Z";

type Cell = TestDatabase & AsyncDisposable;

/** Two cells and a fleet database that knows them, the second one through a proxy. */
async function openAll(owned: AsyncDisposableStack) {
  const cells = (await openCells(2, seeded(1))) as [Cell, Cell];
  for (const cell of cells) owned.use(cell);
  const [first, second] = cells;
  const fleet = owned.use(await openFleet(cells));
  const url = new URL(second.url);
  const proxy = owned.use(await startTcpProxy({ host: url.hostname, port: Number(url.port) }));
  await attachCell(fleet, "cell-1", second.url, { port: proxy.port });
  return { first, second, fleet, proxy };
}

const policy = (change: object, reason = "for the test") => ({
  ...{ target: serviceLog, change: JSON.stringify(change), reason },
});

const policiesOf = ({ pool }: TestDatabase) =>
  rows(
    pool,
    `select cooldown::text, lower(validity) as since, changed_by from policy
     where lower(validity) >= '2036-01-01' order by since`,
  );

const applyAll = async ({ pool }: TestDatabase) => {
  const all = [];
  for (const cell of ["cell-0", "cell-1"])
    for (const row of await apply(pool, cell)) all.push({ cell, ...row });
  return all.map(({ cell, action, state, error }: Row & { cell: string }) => [cell, action, state, error]);
};

const differences = async ({ pool }: TestDatabase) =>
  (await rows(pool, "select kind, name, cells, lacking, error from fleet.difference")).map((row) =>
    Object.values(row),
  );

test("a cell that is away gets a setting later, once, and from the same time as the others", async () => {
  await using owned = new AsyncDisposableStack();
  const { first, second, fleet, proxy } = await openAll(owned);
  assert.deepEqual(await differences(fleet), []);
  await queue(fleet.pool, "set_policy", policy({ cooldown: "9 days" }), at);
  await proxy.refuse();
  const [here, away] = await applyAll(fleet);
  assert.deepEqual(here, ["cell-0", "set_policy", "applied", null]);
  assert.deepEqual(away?.slice(0, 3), ["cell-1", "set_policy", "waiting"]);
  assert.match(String(away?.[3]), /could not connect to server "settings_cell-1"/);
  assert.equal((await policiesOf(second)).length, 0);
  const [apart] = await differences(fleet);
  assert.deepEqual(apart?.slice(0, 4), ["cell", "cell-1", null, ["cell-1"]], "what cannot be asked is said");

  await proxy.heal();
  const [found] = await differences(fleet);
  assert.deepEqual(found, ["policy", serviceLog, ["cell-0"], ["cell-1"], null]);
  assert.deepEqual(await applyAll(fleet), [["cell-1", "set_policy", "applied", null]]);
  const policies = await policiesOf(first);
  assert.deepEqual(
    policies.map(({ cooldown, since }) => [cooldown, since]),
    [["9 days", "2036-03-01T12:00:00Z"]],
  );
  assert.match(String(policies[0]?.changed_by), /^\w+ \(\w+\)$/, "with whoever queued it");
  assert.deepEqual(await policiesOf(second), policies);
  assert.deepEqual(await differences(fleet), []);
  assert.deepEqual(await applyAll(fleet), [], "nothing waits any more");
});

test("what a cell refuses stops nothing else, and is shown", async () => {
  await using owned = new AsyncDisposableStack();
  const { first, second, fleet } = await openAll(owned);
  const bad: [string, object, RegExp][] = [
    ["set_policy", policy({ cooldown: "soon" }), /cooldown/],
    ["set_policy", { ...policy({}), target: "nowhere" }, /nowhere/],
    ["set_policy", { ...policy({}), oops: "1" }, /set_policy has no argument "oops"/],
    ["set_policy", { ...policy({}), at: "2036-01-01" }, /set_policy has no argument "at"/],
    ["retain", {}, /a fleet cannot apply "retain"/],
    [
      "end_silence",
      { id: { setting: "00000000-0000-0000-0000-000000000000" } },
      /has not made anything here/,
    ],
  ];
  for (const [action, it] of bad) await queue(fleet.pool, action, it as never, at);
  await queue(fleet.pool, "set_policy", policy({ cooldown: "9 days" }), at);
  const outcomes = await applyAll(fleet);
  for (const cell of ["cell-0", "cell-1"]) {
    const own = outcomes.filter((outcome) => outcome[0] === cell);
    assert.deepEqual(
      own.map(([, , state]) => state),
      [...bad.map(() => "refused"), "applied"],
    );
    for (const [nth, [, , sentence]] of bad.entries()) assert.match(String(own[nth]?.[3]), sentence);
  }
  assert.deepEqual((await policiesOf(first)).length, 1);
  assert.deepEqual(await policiesOf(second), await policiesOf(first));
  assert.equal(await value(second.pool, "select count(*) from fleet.applied"), "1");
  assert.equal(
    (await settings(fleet.pool)).filter(({ state }) => state === "refused").length,
    2 * bad.length,
  );
  assert.deepEqual(await applyAll(fleet), [], "what was refused is not tried again");
});

test("one cell may refuse what the other takes, and the difference is seen", async () => {
  await using owned = new AsyncDisposableStack();
  const { second, fleet } = await openAll(owned);
  await second.pool.query("select set_policy($1, $2, 'by hand', '2036-05-01')", [
    serviceLog,
    JSON.stringify({ cooldown: "3 days" }),
  ]);
  await queue(fleet.pool, "set_policy", policy({ cooldown: "9 days" }), "2036-05-01T00:00:00Z");
  assert.deepEqual(
    (await applyAll(fleet)).map(([, , state]) => state),
    ["applied", "refused"],
  );
  const names = (await differences(fleet)).map(([kind, name, cells]) => [kind, name, String(cells)]);
  assert.deepEqual(names, [
    ["policy", serviceLog, "cell-0"],
    ["policy", serviceLog, "cell-1"],
  ]);
});

test("silences are ended by the setting that made them, and those of a cluster are its cell's", async () => {
  await using owned = new AsyncDisposableStack();
  const { first, second, fleet } = await openAll(owned);
  await first.pool.query("select add_silence(now() + '1 day', 'a number of its own', org_id => 7)");
  const add = (more: object) =>
    queue(fleet.pool, "add_silence", { ends_at: "2036-04-01", reason: "for the test", ...more }, undefined);
  const [{ id } = {}] = await add({ org_id: "1", rule: "disk" });
  const cluster = aCluster();
  await add({ cluster });
  assert.deepEqual(
    (await applyAll(fleet)).map(([, , state]) => state),
    ["applied", "applied", "applied", "applied"],
  );
  const silences = ({ pool }: TestDatabase) =>
    rows(
      pool,
      "select cluster, lower(period) as from, ended_at from silence where org_id is distinct from 7 order by id",
    );
  const counts = [await silences(first), await silences(second)].map((all) => all.length);
  const [owner, buckets] = [await value(first.pool, "select owns($1)", [cluster]), bucketOf(cluster)];
  assert.deepEqual(counts, owner ? [2, 1] : [1, 2], `bucket ${buckets}`);
  assert.deepEqual(
    (await silences(first))[0],
    (await silences(second))[0],
    "from the time at which it was queued",
  );
  await queue(fleet.pool, "end_silence", { id: { setting: id } }, undefined);
  assert.deepEqual(
    (await applyAll(fleet)).map(([, , state]) => state),
    ["applied", "applied"],
  );
  for (const cell of [first, second]) assert.notEqual((await silences(cell))[0]?.ended_at, null);
  assert.deepEqual(await differences(fleet), [["silence", "organization 7", ["cell-0"], ["cell-1"], null]]);
  await queue(fleet.pool, "acknowledge", { org_id: "1", rule: "disk" }, undefined);
  await queue(fleet.pool, "set_retention", { parent: "reported", keep: "200 days" }, undefined);
  assert.equal(new Set((await applyAll(fleet)).map(([, , state]) => state)).size, 1);
  assert.equal((await differences(fleet)).length, 1);
});

test("two who apply at once, and a cell that has it already, do no harm", async () => {
  await using owned = new AsyncDisposableStack();
  const { first, fleet } = await openAll(owned);
  for (let nth = 1; nth <= 5; nth++)
    await queue(fleet.pool, "set_policy", policy({ cooldown: `${nth} days` }), `2036-03-0${nth}T00:00:00Z`);
  const both = await Promise.all([apply(fleet.pool, "cell-0"), apply(fleet.pool, "cell-0")]);
  assert.deepEqual(
    both.flat().map(({ state }) => state),
    Array(5).fill("applied"),
  );
  // whoever was killed before it could note what the cell has
  await fleet.pool.query("delete from fleet.outcome");
  const again = await apply(fleet.pool, "cell-0");
  assert.equal(again.length, 5);
  assert.equal((await policiesOf(first)).length, 5);
  // from another session that does not know of it, at the same time
  await fleet.pool.query("delete from fleet.outcome");
  const [{ id } = {}] = await queue(fleet.pool, "set_policy", policy({ cooldown: "6 days" }), at);
  const client = await first.pool.connect();
  try {
    await client.query("begin");
    await client.query(
      "insert into fleet.applied (setting_id, cell, action, arguments, at, queued_by) values ($1, 'cell-0', 'set_policy', $2, $3, 'me')",
      [id, policy({ cooldown: "6 days" }), at],
    );
    const waits = apply(fleet.pool, "cell-0");
    await client.query("commit");
    const last = (await waits).at(-1);
    assert.ok(["applied", "waiting"].includes(String(last?.state)), JSON.stringify(last));
  } finally {
    client.release();
  }
  await apply(fleet.pool, "cell-0");
  assert.equal((await policiesOf(first)).length, 6);
  assert.deepEqual(
    (await settings(fleet.pool)).filter(({ cell }) => cell === "cell-0").map(({ state }) => state),
    Array(6).fill("applied"),
  );
});

test("ccx fleet attaches, asks, queues and applies", async () => {
  await using owned = new AsyncDisposableStack();
  const cells = await openCells(2, seeded(1));
  for (const cell of cells) owned.use(cell);
  const fleet = owned.use(await openFleet());
  const ccx = async (...args: string[]) => runCcx(["fleet", ...args], { DATABASE_URL: fleet.url });
  const printed = async (...args: string[]) => JSON.parse((await ccx(...args, "--json")).stdout);
  assert.match((await ccx("init")).stdout, /in step: 0 loaded/);
  for (const [nth, { url }] of cells.entries()) {
    const { hostname, port, pathname, username } = new URL(url);
    const place = ["--host", hostname, "--port", port, "--dbname", pathname.slice(1), "--user", username];
    const wrong = await ccx("attach", "nobody", ...place);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /^ccx: that database is the cell "cell-\d", not "nobody"$/m);
    const { code, stderr } = await ccx("attach", `cell-${nth}`, ...place, "--settings-user", username);
    assert.equal(code, 0, stderr);
  }
  assert.match((await ccx("buckets")).stdout, /Each bucket has one cell/);
  assert.deepEqual(
    (await printed("status")).map(({ cell, state }: Record<string, unknown>) => [cell, state]),
    [
      ["cell-0", "attention"],
      ["cell-1", "attention"],
    ],
  );
  assert.match((await ccx("explain", aCluster())).stdout, /No open issue/);
  assert.match((await ccx("queue", "set_policy", "oops")).stderr, /is not of the form argument=value/);
  await ccx(
    "queue",
    "set_policy",
    `target=${serviceLog}`,
    `change={"cooldown": "9 days"}`,
    "reason=for the test",
    "--at",
    at,
  );
  const applied = await ccx("apply", "--json");
  assert.equal(applied.code, 0, applied.stderr + applied.stdout);
  assert.equal(JSON.parse(applied.stdout).length, 2);
  assert.match((await ccx("differences")).stdout, /All cells have the same settings/);
  await ccx("queue", "set_policy", "target=nowhere", "change={}", "reason=for the test");
  assert.equal((await ccx("apply")).code, 1);
  assert.equal((await printed("settings")).length, 4);
  assert.equal((await ccx("detach", "cell-1")).code, 0);
  assert.match((await ccx("buckets")).stdout, /missing/);
  assert.equal((await ccx("detach", "cell-1")).code, 1);
});
