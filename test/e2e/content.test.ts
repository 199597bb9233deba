import assert from "node:assert/strict";
import { runCcx } from "../support/command.ts";
import { type GivenRule, openRules } from "../support/content_folder.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { type Scene, scenario } from "../support/scene.ts";

const bothTargets = { serviceLog: true };

/** A report of the cluster with a hit of each of these rules, with these details. */
async function report(scene: Scene, cluster: string, rules: Record<string, unknown>): Promise<void> {
  const reports = Object.entries(rules).map(([rule, details]) => ({
    component: `pkg.${rule}.report`,
    key: "KEY",
    type: "rule",
    details,
  }));
  const before = Number(await scene.value("select coalesce(sum(next_offset), 0) from consumer_offset"));
  await scene.topics.produce([
    aReport(cluster, [], { Report: { system: {}, reports, fingerprints: [], skips: [], info: [] } }),
  ]);
  await scene.consumed(before + 1);
  await scene.quiet();
}

/** Makes these rules the content, with the command. */
async function load(scene: Scene, rules: Record<string, GivenRule>): Promise<void> {
  await using folder = await openRules();
  await folder.replace(rules);
  const { code, stderr } = await runCcx(["content", "load", "--yes", folder.path], scene.env);
  assert.equal(code, 0);
  // the samples have gone, and these have come
  assert.match(stderr, /^(?:ccx: Together vanished [^\n]*\n)?$/);
}

/** What explain_notification says of a rule, for each target. */
const explained = (scene: Scene, rule: string) =>
  scene.rows(
    "select target, reasons, render_error from explain_notification where component = $1 order by target",
    [`pkg.${rule}.report`],
  );

const entries = (scene: Scene) => scene.receiver.entries.map(({ body }) => body);

scenario("a rule's impact is changed while the service runs, and the decision with it", {}, async (scene) => {
  await load(scene, { disk: { impact: "Low", likelihood: 1 } });
  const service = scene.start("run");
  const cluster = aCluster();
  await report(scene, cluster, { disk: {} });
  const said = async () =>
    (await explained(scene, "disk")).map(({ reasons }) => (reasons as string[]).join())[0];
  assert.equal(await said(), "below_threshold");
  await scene.topics.received.assertNoMore();

  await load(scene, { disk: { impact: "Critical", likelihood: 4, description: "{{=pydata.missing}}!" } });
  const [notified] = await scene.topics.received.take(1);
  assert.deepEqual([notified?.cluster, notified?.risk, notified?.titles], [cluster, 4, ["!"]]);
  await scene.quiet();
  assert.equal(await said(), "cooldown");
  assert.equal(service.said("running").length, 1);
});

scenario(
  "of a message, only the issue whose template fails waits, until it is mended",
  bothTargets,
  async (scene) => {
    const good = { disk: {}, net: { description: "Node {{=pydata.node}} is slow" } };
    await load(scene, { ...good, cpu: { description: "{{=pydata.a.b}}", impact: "Critical" } });
    const service = scene.start("run");
    const cluster = aCluster();
    await report(scene, cluster, { cpu: {}, disk: {}, net: { node: "n1" } });

    const [notified] = await scene.topics.received.take(1);
    assert.deepEqual(
      [notified?.issues, notified?.titles],
      [
        ["disk|KEY", "net|KEY"],
        ["disk is wrong", "Node n1 is slow"],
      ],
    );
    assert.equal(notified?.risk, 3, "of those that are notified");
    const summaries = () =>
      entries(scene)
        .map(({ summary }) => summary)
        .sort();
    assert.deepEqual(summaries(), ["Node n1 is slow", "disk is wrong"]);
    const render_error = "description: TypeError: cannot read property 'b' of undefined";
    const both = ["notifications backend", "service log"];
    assert.deepEqual(
      await explained(scene, "cpu"),
      both.map((target) => ({ target, reasons: ["render_failed"], render_error })),
    );
    const left = await service.says("issue left out");
    assert.deepEqual(
      [left.level, left.target, left.cluster, left.error],
      ["warn", both[0], cluster, render_error],
    );
    const dead = await scene.rows(
      "select t.name, failure, last_error from notification n join event_targets t on t.id = n.target_id where state = 'dead'",
    );
    assert.deepEqual(dead, [{ name: "service log", failure: "template", last_error: render_error }]);

    await load(scene, { ...good, cpu: { description: "mended", impact: "Critical" } });
    const [again] = await scene.topics.received.take(1);
    assert.deepEqual([again?.issues, again?.titles], [["cpu|KEY"], ["mended"]]);
    await scene.quiet();
    assert.deepEqual(summaries(), ["Node n1 is slow", "disk is wrong", "mended"]);
  },
);

scenario(
  "texts arrive rendered with the details of the hit, which cannot break out of them",
  bothTargets,
  async (scene) => {
    await load(scene, {
      disk: {
        description: "Disk {{=pydata.name}} of {{=pydata.nodes.length}} nodes",
        reason: "**Why:**\n{{~pydata.nodes :node}}\n* {{=node}}{{~}}\n",
      },
    });
    scene.start("run");
    const name = '<b>"ř"</b> & *co*';
    await report(scene, aCluster(), { disk: { name, nodes: ["[n](http://x)", "# two"] } });
    const [notified] = await scene.topics.received.take(1);
    assert.deepEqual(notified?.titles, ["Disk &lt;b&gt;&quot;ř&quot;&lt;/b&gt; &amp; *co* of 2 nodes"]);
    const [entry, ...more] = entries(scene);
    assert.deepEqual(more, []);
    assert.equal(entry?.summary, 'Disk \\<b\\>"ř"\\</b\\> \\& \\*co\\* of 2 nodes');
    const [reason, link] = entry?.description?.split("\n\n[More details]") ?? [];
    assert.equal(reason?.trimEnd(), "**Why:**\n\n* \\[n\\](http://x)\n* \\# two");
    assert.match(link ?? "", /^\(https:\/\/\S+disk\S+KEY\S*\)\.$/);
  },
);
