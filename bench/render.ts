import { createRenderer } from "../src/content/render/renderer.ts";
import { type Options, type Report, result, timed } from "./report.ts";

/**
 * Texts in the manner of real rules: a title, a reason with a loop over nodes, a resolution with a command.
 */
const templates = {
  description: "{{=pydata.operators.length}} cluster operator{{?pydata.operators.length>1}}s{{?}} degraded",
  reason:
    "Clusteroperator{{?pydata.operators.length>1}}s{{?}} degraded:\n\n{{~ pydata.operators :operator }}\n" +
    '**Cluster-operator:** **{{=operator["name"]}}**\n- *Reason:* {{=operator["degraded"]["reason"]}}\n' +
    '- *Message:* {{=operator["degraded"]["message"]}}\n- *Last transition*: {{=operator["degraded"]["since"]}}\n\n{{~}}\n',
  resolution:
    '{{~ pydata.operators :operator }}\n{{? operator["name"] == "kube-apiserver"}}\n~~~\n' +
    "oc patch {{=operator.name}}/cluster --type merge\n~~~\n{{?}}\n{{~}}Then wait.",
};
const names = Object.keys(templates) as (keyof typeof templates)[];
const pydata = {
  operators: ["kube-apiserver", "kube-scheduler"].map((name) => ({
    name,
    degraded: {
      reason: "NodeInstallerDegradedInstallerPodFailed",
      message:
        "NodeControllerDegraded: All master nodes are ready\nStaticPodsDegraded: container is not ready",
      since: "2020-04-21T12:46:14Z",
    },
  })),
  error_key: "NODE_INSTALLER_DEGRADED",
  type: "rule",
};

/**
 * What renderings cost: of one content many times, of many contents for the first time, and of a hostile one.
 */
export async function run({ scale }: Options): Promise<Report> {
  const renderer = await createRenderer();
  let ids = 0;
  const render = (contentId: string, text: Partial<typeof templates> = templates) =>
    renderer.render({
      contentId,
      templates: { ...templates, ...text },
      names,
      pydata,
      format: "markdown",
    });
  const many = async (count: number, id: () => string) => {
    const answers = await Promise.all(Array.from({ length: count }, () => render(id())));
    const failed = answers.find((answer) => "error" in answer);
    if (failed) throw new Error(`a typical template failed: ${JSON.stringify(failed)}`);
  };
  const fresh = () => `fresh ${++ids}`;
  const hits = Math.max(1, Math.round(10_000 * scale));
  const contents = Math.max(1, Math.round(200 * scale));

  try {
    const warm = await timed(`${hits} hits, 3 texts each`, 5, () => many(hits, () => "one"));
    const processor: number[] = [];
    for (let run = 0; run < 5; run++) {
      const before = process.cpuUsage();
      await many(hits, () => "one");
      const { user, system } = process.cpuUsage(before);
      processor.push((user + system) / 1_000);
    }
    const cpu = result(`${hits} hits, processor time of both threads`, "ms", processor);
    const single = await timed("1 hit, there and back", 200, () => render("one"));
    const first = await timed(`${contents} contents, each for the first time`, 5, () =>
      many(contents, fresh),
    );
    const loop = await timed("an endless loop, and a hit after it", 5, async () => {
      await Promise.all([render(fresh(), { reason: "{{for(;;);}}" }), render("one")]);
    });
    const builtIn = await timed("a loop inside a built-in function, and a hit after it", 5, async () => {
      await Promise.all([render(fresh(), { reason: "{{=new Array(2**32-2).indexOf(1)}}" }), render("one")]);
    });
    return {
      results: [warm, cpu, single, first, loop, builtIn],
      ratios: {
        first_to_later: first.median / contents / (warm.median / hits),
        hits_per_second: hits / (warm.median / 1_000),
      },
    };
  } finally {
    await renderer.dispose();
  }
}
