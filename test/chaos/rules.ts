import { type Hit, issueOf, moduleOf } from "../support/reports.ts";
import type { Query } from "./databases.ts";

/** How the rule of the hit `volume` behaves; the others are always well. */
export type RuleMood = "well" | "hangs" | "raises";

/** The file of an archive that says what the rules find. */
export const hitsFile = "chaos/hits.json";

const hits: readonly Hit[] = ["bug", "proxy", "volume", "tutorial"];
const moody: Hit = "volume";

/** A cast of what is no number, and not a division by zero, which the planner would raise for every mood. */
const byMood = `and (select case m.mood
    when 'hangs' then pg_sleep(60) is not null
    when 'raises' then m.mood::integer = 0
    else true end from chaos.rule_mood m)`;

/** The name of the rule of a hit, and the component under which its failures are kept. */
const nameOf = (hit: Hit): string => `chaos_${hit}`;
const componentOf = (hit: Hit): string => `${moduleOf(hit)}.report`;

/** The hit that the rule with this name or component finds. */
export const hitOfRule = (rule: string): Hit | undefined =>
  hits.find((hit) => [nameOf(hit), componentOf(hit)].includes(rule));

/** The hit of a report in a result. */
export const hitOfReport = ({ component, key }: { component: string; key: string }): Hit | undefined =>
  hits.find((hit) => componentOf(hit) === component && issueOf(hit).endsWith(`|${key}`));

const rules = hits.map((hit) => ({
  name: nameOf(hit),
  component: componentOf(hit),
  description: `The archive says ${hit}.`,
  reads: [hitsFile],
  tags: [],
  links: {},
  source: `select '${issueOf(hit).split("|")[1]}' as error_key,
      jsonb_build_object('upload', f.document ->> 'upload') as details
    from files f
    where f.path = '${hitsFile}' and f.document -> 'hits' ? '${hit}' ${hit === moody ? byMood : ""}`,
}));

/**
 * Loads the rules: one for each hit that the harness knows, which finds what the archive says it has to. It
 * also ends the suspension of rules that took too long.
 */
export async function loadRules(query: Query): Promise<void> {
  await query("select from load_rules($1)", [JSON.stringify(rules)]);
  await query("grant usage on schema chaos to ccx_rules; grant select on chaos.rule_mood to ccx_rules");
}

/** From now on the rule of one hit behaves like this. */
export async function setRuleMood(query: Query, mood: RuleMood): Promise<void> {
  await query("update chaos.rule_mood set mood = $1", [mood]);
}
