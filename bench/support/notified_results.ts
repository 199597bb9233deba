import { randomUUID } from "node:crypto";
import type pg from "pg";

/**
 * Results that lead to one notification of target "notifications backend" each: of new clusters, with one
 * grave issue.
 */
export type NotifiedResults = { next(): { cluster: string; value: string } };

/** Of a fleet as makeFleet() makes it; the other target is switched off. */
export async function notifiedResults(client: pg.ClientBase): Promise<NotifiedResults> {
  await client.query(
    `select set_policy('service log', '{"enabled": false}', 'only the other target is measured')`,
  );
  const { rows } = await client.query<{ component: string; error_key: string }>(
    `select r.component, r.error_key
     from rule r
     join rule_content c on c.rule_name = r.rule_name and c.error_key = r.error_key and upper_inf(c.validity)
     where c.status = 'active' and c.tags @> '{osd_customer}'
       and not exists (select from policy p where p.rule_name = r.rule_name)
     order by c.total_risk desc, r.id
     limit 1`,
  );
  const [rule] = rows;
  if (!rule) throw new Error("no rule would be notified");
  const { component, error_key } = rule;
  const report = {
    system: { metadata: {}, hostname: null },
    fingerprints: [],
    skips: [],
    info: [],
    pass: [],
    reports: [
      { component, key: error_key, type: "rule", details: { type: "rule", error_key }, tags: [], links: {} },
    ],
  };
  return {
    next() {
      const cluster = randomUUID();
      const LastChecked = new Date().toISOString();
      const message = { OrgID: 9_000_001, ClusterName: cluster, LastChecked, Version: 2, Report: report };
      return { cluster, value: JSON.stringify(message) };
    },
  };
}
