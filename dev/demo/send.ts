import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import kafkajs from "kafkajs";
import { report } from "../../src/cli.ts";
import { loadConfig, requireKeys } from "../../src/config/config.ts";
import { ConfigurationError } from "../../src/errors.ts";

const help = `npm run send -- [--cluster UUID] [--org NUMBER] [--rule MODULE|KEY]

Puts one result on the topic that the service reads (KAFKA_BROKERS, CCX_RESULTS_TOPIC).

  --cluster UUID       the cluster that reports (a new one)
  --org NUMBER         the organization that owns it (1)
  --rule MODULE|KEY    the issue that it has; nothing but MODULE| : none any more
`;

const someRule = "ccx_rules_ocp.external.rules.cluster_wide_proxy_auth_check|AUTH_OPERATOR_PROXY_ERROR";

/** The bytes of a result that the service takes: one cluster, at most one hit. */
export function resultOf(given: { cluster: string; org: number; rule: string; now: Date }): string {
  const [module = "", key = ""] = given.rule.split("|");
  const bare = module.replace(/\.report$/, "");
  const hit = {
    rule_id: `${bare.split(".").at(-1)}|${key}`,
    component: `${bare}.report`,
    ...{ type: "rule", key, details: { type: "rule", error_key: key }, tags: [], links: {} },
  };
  const reports = key === "" ? [] : [hit];
  return JSON.stringify({
    OrgID: given.org,
    ClusterName: given.cluster,
    LastChecked: given.now.toISOString(),
    Version: 2,
    Report: {
      system: { metadata: {}, hostname: null },
      reports,
      fingerprints: [],
      skips: [],
      info: [],
      pass: [],
    },
  });
}

/** `npm run send`: one result, and how to ask what becomes of it. */
async function send(): Promise<void> {
  const { values } = parseArgs({
    options: {
      cluster: { type: "string", default: randomUUID() },
      org: { type: "string", default: "1" },
      rule: { type: "string", default: someRule },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return console.log(help);
  const config = loadConfig({ env: process.env });
  requireKeys(config, ["kafkaBrokers"]);
  if (!/^\d+$/.test(values.org)) throw new ConfigurationError("--org has to be a number.");
  const kafka = new kafkajs.Kafka({ brokers: config.kafkaBrokers, logLevel: kafkajs.logLevel.NOTHING });
  const producer = kafka.producer();
  await producer.connect();
  try {
    const value = resultOf({ ...values, org: Number(values.org), now: new Date() });
    await producer.send({ topic: config.resultsTopic, messages: [{ value }] });
  } finally {
    await producer.disconnect();
  }
  console.log(`Sent to ${config.resultsTopic}. What became of it:`);
  console.log(`  npx ccx explain --cluster ${values.cluster}`);
}

if (process.argv[1] === import.meta.filename)
  await send().catch((error) => {
    process.exitCode = report(error);
  });
