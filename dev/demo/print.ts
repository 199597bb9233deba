import type { Config } from "../../src/config/config.ts";
import { holdReasons } from "../../src/text/hold_reasons.ts";
import type { Books, Result } from "./books.ts";

const meaningOf = (reason: string): string => (holdReasons as Record<string, string>)[reason] ?? "";

/** Prints what came of the demo, for people. */
export async function printResult(
  books: Books,
  { summary, lost }: Result,
  seconds: number,
  config: Config,
  keep: boolean,
): Promise<void> {
  const { uploads, reports, issues, decisions, targets } = summary;
  const say = (line = "") => console.log(line);
  say(
    `Uploaded    ${uploads.sent} archives by HTTP (upload_status), ${uploads.failed} of which cannot be analyzed:`,
  );
  for (const line of await whereEachWent(books)) say(`            ${line}`);
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
    say(`            ${String(n).padStart(5)} ${reason}: ${meaningOf(reason)}`);
  }
  const example = await books.pool.query(
    `select target, org_id, cluster, component, error_key, reasons, total_risk
     from explain_notification e
     where decision = 'hold'
       and not exists (select from notified_issue n where n.issue_id = e.issue_id and not n.resolved)
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
  if (lost.length === 0) say("Nothing was lost: every archive, result, decision and message adds up.");
  for (const line of lost) say(`LOST  ${line}`);
  say();
  say("Where to look next");
  if (!keep) {
    say("  npm run demo -- --keep     the same, and it stays, with a psql line to look around");
    say("  README.md                  what this is, and the map of the house");
    return;
  }
  const url = withoutPassword(config.databaseUrl ?? "");
  say("  the service goes on; what is sent to service log goes to a stand-in, nothing leaves this machine");
  const served = `http://127.0.0.1:${config.httpPort}`;
  say(`  the console, in a browser: ${served}/console/`);
  say(`  the results API, for programs: ${served}/api/v2/docs`);
  say(`  uploads, as the Insights Operator makes them: ${served}/api/ingress/v1/upload`);
  say(`  psql ${url}`);
  say("  what was notified, newest first:");
  say("    select t.name as target, n.cluster, r.component, r.error_key, n.decided_at, n.state");
  say("    from notification n join notified_issue i on i.notification_id = n.id");
  say("    join issue on issue.id = i.issue_id join rule r on r.id = issue.rule_id");
  say("    join event_targets t on t.id = n.target_id order by n.id desc limit 20;");
  if (one) {
    say("  why the example above was held back:");
    say("    select target, decision, reasons, total_risk from explain_notification");
    say(`    where cluster = '${one.cluster}' and error_key = '${one.error_key}';`);
  }
  say("  for a message of your own, and for every command, in another terminal:");
  say(`    export DATABASE_URL='${url}' KAFKA_BROKERS='${config.kafkaBrokers?.join(",")}'`);
  say(`    export CCX_RESULTS_TOPIC='${config.resultsTopic}'`);
  say("    npm run send");
  const [followed] = books.uploads.keys();
  if (followed !== undefined) say(`    npx ccx trace ${followed}`);
}

/** A line for each upload: what its rules found, and whom that went to, or why not. */
async function whereEachWent({ pool, uploads }: Books): Promise<string[]> {
  const { rows } = await pool.query<{
    request_id: string;
    failure: string | null;
    hits: number;
    targets: string[];
    reasons: string[];
    seconds: string | null;
  }>(
    `select a.request_id, a.failure, a.hits,
       array(
         select t.name from notification n join event_targets t on t.id = n.target_id
         where n.cluster = a.cluster and n.state = 'sent' order by t.name desc) as targets,
       array(
         select distinct r from explain_notification e, unnest(e.reasons) r
         where e.cluster = a.cluster and e.decision = 'hold' and e.last_notified_at is null order by r) as reasons,
       round(extract(epoch from (
         select max(n.ended_at) from notification n where n.cluster = a.cluster) - u.received_at), 1) as seconds
     from analysis a
     join upload_status u using (request_id)`,
  );
  const known = new Map(rows.map((row) => [row.request_id, row]));
  return [...uploads].map(([requestId, { about }]) => {
    const one = known.get(requestId);
    const what = `${about}:`.padEnd(26);
    if (!one) return `${what}nothing is known of it`;
    const { failure, hits, targets, reasons, seconds } = one;
    if (failure !== null) return `${what}failed, ${failure} (dead_analysis)`;
    const found = hits === 0 ? "no hit" : `${hits} hit${hits === 1 ? "" : "s"}`;
    if (targets.length > 0) return `${what}${found}, to ${targets.join(" and ")} after ${seconds} s`;
    return `${what}${found}${reasons.length > 0 ? `, held back: ${reasons.join(", ")}` : ", nothing to say"}`;
  });
}

/** The password of somebody's server does not belong on a screen; psql and npx ccx take it from PGPASSWORD. */
function withoutPassword(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.password = "";
  return url.href;
}
