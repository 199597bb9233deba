import { randomUUID } from "node:crypto";

/**
 * Rules of samples/content: their total risk, and whether they are for the service log (tag osd_customer).
 */
const rules = {
  /** critical, both targets */
  bug: ["ccx_rules_ocp.external.bug_rules.bug_1766907", "BUGZILLA_BUG_1766907"],
  /** important, both targets */
  proxy: ["ccx_rules_ocp.external.rules.cluster_wide_proxy_auth_check", "AUTH_OPERATOR_PROXY_ERROR"],
  /** critical, not for the service log */
  volume: ["ccx_rules_ocp.external.rules.image_registry_no_volume_set_check", "ERROR_KEY"],
  /** low: below the threshold of the notifications backend, not for the service log */
  tutorial: ["ccx_rules_ocp.external.rules.tutorial_rule", "TUTORIAL_ERROR"],
} as const;

export type Hit = keyof typeof rules;

/** How a hit is called in a notification: `rule|ERROR_KEY`. */
export function issueOf(hit: Hit): string {
  const [module, key] = rules[hit];
  return `${module.split(".").at(-1)}|${key}`;
}

/** The module of the rule of a hit. */
export const moduleOf = (hit: Hit): string => rules[hit][0];

export const aCluster = (): string => randomUUID();

let lastMs = Date.now() - 3_600_000;

/**
 * A result message of a cluster with these hits. Without `LastChecked`, each is a second newer than the one
 * before and all are of the last hour. `fields` replaces what is in the message; undefined leaves a key out.
 */
export function aReport(cluster: string, hits: Hit[], fields: Record<string, unknown> = {}): string {
  lastMs += 1_000;
  return JSON.stringify({
    OrgID: 11_789_772,
    AccountNumber: 42,
    ClusterName: cluster,
    LastChecked: new Date(lastMs).toISOString(),
    Version: 2,
    Report: {
      system: { metadata: {}, hostname: null },
      reports: hits.map((hit) => ({
        component: `${rules[hit][0]}.report`,
        key: rules[hit][1],
        type: "rule",
        details: { type: "rule", error_key: rules[hit][1] },
      })),
      fingerprints: [],
      skips: [],
      info: [],
    },
    ...fields,
  });
}
