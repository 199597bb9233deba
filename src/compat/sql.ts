import { z } from "zod";
import { type Db, rowOf, rowsOf } from "../db/rows.ts";

const toggle = z.object({ cluster_id: z.string(), rule_id: z.string(), error_key: z.string().nullable() });
const disable = z.object({
  org_id: z.coerce.string(),
  rule_id: z.string(),
  error_key: z.string().nullable(),
});

/** Rules that are switched off for a cluster, in the aggregator's database. */
export const disabledForClusters = (aggregator: Db): Promise<z.infer<typeof toggle>[]> =>
  rowsOf(
    aggregator,
    toggle,
    "select cluster_id, rule_id, error_key from cluster_rule_toggle where disabled = $1",
    [1],
  );

/** Rules that organizations acknowledged, in the aggregator's database. */
export const disabledForOrganizations = (aggregator: Db): Promise<z.infer<typeof disable>[]> =>
  rowsOf(aggregator, disable, "select org_id, rule_id, error_key from rule_disable");

const taken = z.object({ added: z.number(), ended: z.number() });

/** Brings our tables in step with what the aggregator's database says (JSON arrays of its rows). */
export const takeDisabledRules = (
  db: Db,
  toggles: string,
  disables: string,
): Promise<z.infer<typeof taken>> =>
  rowOf(db, taken, "select added, ended from ccx.take_disabled_rules($1::jsonb, $2::jsonb)", [
    toggles,
    disables,
  ]);

const begun = z.object({ policy_changed: z.boolean(), waiting: z.number(), withdrawn: z.number() });

/** Makes a target ready for a pass, with these settings (JSON) as its policy. */
export const beginPass = (db: Db, target: string, policy: string): Promise<z.infer<typeof begun>> =>
  rowOf(db, begun, "select policy_changed, waiting, withdrawn from ccx.begin_pass($1, $2::jsonb)", [
    target,
    policy,
  ]);

const followed = z.object({ reread: z.number(), forgotten: z.number(), imported: z.number() });

/** Brings issues and ledger in step with new_reports and reported. */
export const followTables = (db: Db, target: string): Promise<z.infer<typeof followed>> =>
  rowOf(db, followed, "select reread, forgotten, imported from ccx.follow_tables($1)", [target]);

const decided = z.object({
  last_cluster: z.string(),
  clusters: z.array(
    z.object({
      org_id: z.number(),
      cluster: z.string(),
      issues: z.array(
        z.object({ component: z.string(), error_key: z.string(), total_risk: z.number().nullable() }),
      ),
    }),
  ),
});

/** The clusters of a batch that have issues, each with those to notify. */
export type Decided = z.infer<typeof decided>;

/** Decides for the next clusters after this one; undefined: there are no more. */
export const decidePass = async (
  db: Db,
  target: string,
  after: string,
  batchSize: number,
): Promise<Decided | undefined> =>
  (
    await rowsOf(db, decided, "select last_cluster, clusters from ccx.decide_pass($1, $2, $3)", [
      target,
      after,
      batchSize,
    ])
  )[0];

const ended = z.object({ failed: z.number() });

/** Writes down what could not be delivered; returns for how many clusters something waits. */
export const endPass = async (db: Db, target: string): Promise<number> =>
  (await rowOf(db, ended, "select failed from ccx.end_pass($1)", [target])).failed;

const content = z.object({
  id: z.string(),
  rule_name: z.string(),
  python_module: z.string(),
  error_key: z.string(),
  description: z.string(),
  generic: z.string(),
  summary: z.string(),
  reason: z.string(),
  resolution: z.string(),
  more_info: z.string(),
  impact: z.number(),
  likelihood: z.number(),
  total_risk: z.number(),
  status: z.string(),
  tags: z.array(z.string()),
});

/** What a rule says, as far as a rendering service needs it. */
export type ContentRow = z.infer<typeof content>;

/** These content versions. */
export const contents = (db: Db, ids: readonly string[]): Promise<ContentRow[]> =>
  rowsOf(
    db,
    content,
    `select id, rule_name, python_module, error_key, description, generic, summary, reason, resolution,
       more_info, impact, likelihood, total_risk, status, tags
     from rule_content where id = any ($1::bigint[])`,
    [ids],
  );
