import type { Config } from "../../src/config/config.ts";
import type { Books, Result } from "./books.ts";

const meanings: Record<string, string> = {
  below_threshold: "total risk is below the target's threshold",
  missing_tag: "the rule lacks a tag that the target requires",
  no_content: "nothing is known about the rule",
  inactive: "the rule is switched off in the content",
  target_disabled: "the target is switched off",
  cooldown: "notified already, its cooldown has not ended",
};

/** Prints what came of the demo, for people. */
export async function printResult(
  books: Books,
  { summary, lost }: Result,
  seconds: number,
  config: Config,
  keep: boolean,
): Promise<void> {
  const { reports, issues, decisions, targets } = summary;
  const say = (line = "") => console.log(line);
  say(
    `Came in     ${reports.produced} results on ${config.resultsTopic}, handled in ${seconds.toFixed(1)} s`,
  );
  say(`Stored      ${reports.stored} (new_reports)`);
  say(`Rejected    ${reports.rejected} (rejected_message)`);
  const rejected = await books.pool.query(
    "select reason, count(*)::integer as n, min(detail) as example from rejected_message group by reason order by n desc, reason",
  );
  for (const { reason, n, example } of rejected.rows)
    say(`            ${String(n).padStart(5)} ${reason}: ${example}`);
  say(`Issues      ${issues.open} open (issue)`);
  say(`Notified    ${decisions.notify} issues (notified_issue), in these messages (notification):`);
  for (const [name, { sent, dead }] of Object.entries(targets)) {
    say(`            ${String(sent).padStart(5)} to ${name}${dead > 0 ? `, ${dead} dead` : ""}`);
  }
  say(`Held back   ${decisions.hold} decisions on an issue and a target (explain_notification), because:`);
  for (const [reason, n] of Object.entries(decisions.reasons).sort(([, a], [, b]) => b - a)) {
    say(`            ${String(n).padStart(5)} ${reason}: ${meanings[reason] ?? ""}`);
  }
  const example = await books.pool.query(
    `select target, org_id, cluster, component, error_key, reasons, total_risk
     from explain_notification where last_notified_at is null and decision = 'hold'
     order by cardinality(reasons) desc, cluster, component limit 1`,
  );
  const one = example.rows[0];
  if (one) {
    say();
    say("For example, this one was held back:");
    say(`            ${one.error_key} of cluster ${one.cluster}`);
    say(
      `            to ${one.target}: ${one.reasons.join(" and ")}, total risk ${one.total_risk ?? "unknown"}`,
    );
  }
  say();
  if (lost.length === 0) say("Nothing was lost: every result, decision and message adds up.");
  for (const line of lost) say(`LOST  ${line}`);
  say();
  say("Where to look next");
  if (!keep) {
    say("  npm run demo -- --keep     the same, and it stays, with a psql line to look around");
    say("  README.md                  what this is, and the map of the house");
    return;
  }
  say(`  psql ${config.databaseUrl}`);
  say("  table new_issues;     what would be notified now: nothing, since all of it was notified");
  if (one) {
    say("  why the example above was held back:");
    say("    select target, decision, reasons, total_risk from explain_notification");
    say(`    where cluster = '${one.cluster}' and error_key = '${one.error_key}';`);
  }
  say("  what was notified or skipped, newest first:");
  say("    select * from reported order by notified_at desc limit 20;");
}
