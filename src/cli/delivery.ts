import type { Command } from "commander";
import type { Pool } from "pg";
import { z } from "zod";
import { ConfigurationError, failureReasons } from "../errors.ts";
import { addCircuitCommand } from "./circuit.ts";
import { agreed } from "./confirm.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";

type Redrive = {
  target?: string;
  org?: string;
  cluster?: string;
  failure?: string;
  since?: string;
  id?: string;
  yes?: boolean;
  json?: boolean;
};

type Replay = {
  from: string;
  to: string;
  target?: string;
  org?: string;
  cluster?: string;
  rule?: string;
  again?: boolean;
  yes?: boolean;
  json?: boolean;
};

/** `ccx circuit`, `ccx redrive` and `ccx replay`: what people do about deliveries. */
export function addDeliveryCommands(program: Command, context: Context): void {
  addCircuitCommand(program, context);
  program
    .command("redrive")
    .description(
      "try messages again that were given up, under the same id; exit code 3 when there are none that can be",
    )
    .option("--target <name>", "only to this target")
    .option("--org <id>", "only of this organization")
    .option("--cluster <id>", "only about this cluster")
    .option("--failure <class>", "only those that failed so, for example client")
    .option("--since <time>", "only those given up since then")
    .option("--id <number>", "only this message (notification_id of dead_letter)")
    .option("--yes", "do not ask")
    .option("--json", "one JSON array")
    .action(async (given: Redrive) => {
      await context.withDatabase((pool) => redrive(pool, given));
    });

  program
    .command("replay")
    .description(
      "send again what was sent or given up in a stretch of time, under new ids; exit code 3 when that is nothing",
    )
    .requiredOption("--from <time>", "since when, for example 2026-12-24T08:00Z")
    .requiredOption("--to <time>", "until when")
    .option("--target <name>", "only to this target")
    .option("--org <id>", "only of this organization")
    .option("--cluster <id>", "only about this cluster")
    .option("--rule <rule>", "only issues of this rule, in any spelling (x|KEY names the error key, too)")
    .option("--again", "also what was replayed already")
    .option("--yes", "do not ask")
    .option("--json", "one JSON array")
    .action(async (given: Replay) => {
      await context.withDatabase((pool) => replay(pool, given));
    });
}

const deadSchema = z.array(
  z.object({ id: z.string(), target: z.string(), failure: z.string(), refusal: z.string().nullable() }),
);

async function redrive(pool: Pool, given: Redrive): Promise<void> {
  const { target, org, cluster, failure, since, id, json } = given;
  if (failure !== undefined && !failureReasons.some((reason) => reason === failure)) {
    throw new ConfigurationError(
      `There is no failure "${failure}"; the failures are: ${failureReasons.join(", ")}.`,
    );
  }
  const { rows } = await pool.query(
    `select notification_id as id, target, failure, refusal
     from dead_letter
     where ($1::text is null or target = (select t.name from event_targets t where t.id = target_id($1)))
       and ($2::bigint is null or org_id = $2)
       and ($3::text is null or cluster = lower($3))
       and ($4::text is null or failure = $4)
       and ($5::timestamptz is null or ended_at >= $5)
       and ($6::bigint is null or notification_id = $6)
     order by notification_id`,
    [target, org, cluster, failure, since, id].map((value) => value ?? null),
  );
  const dead = deadSchema.parse(rows);
  const ids = dead.filter(({ refusal }) => refusal === null).map((row) => row.id);
  const found = counted(dead.map(({ id: _, ...row }) => row));
  if (ids.length === 0) {
    printRows(found, { json, empty: "Nothing was given up that this names." });
    process.exitCode = 3;
    return;
  }
  if (!json) printRows(found, { empty: "" });
  await agreed(given.yes, `Redrive ${messages(ids.length)}?`, "Nothing was redriven.");
  const done = await pool.query(
    `select target, refusal, count(*)::integer as messages, sum(issues)::integer as issues,
       sum(left_out)::integer as left_out
     from redrive($1) group by target, refusal order by target, refusal nulls first`,
    [ids],
  );
  const redriven = sum(done.rows.filter(({ refusal }) => refusal === null));
  if (json) printRows(done.rows, { json, empty: "" });
  else {
    console.log(`Redriven: ${messages(redriven)}.`);
    for (const { refusal, messages: count } of done.rows)
      if (refusal !== null) console.log(`Not redriven: ${messages(count)}: ${refusal}.`);
  }
  if (redriven === 0) process.exitCode = 3;
}

async function replay(pool: Pool, given: Replay): Promise<void> {
  const { from, to, target, org, cluster, rule, json } = given;
  const values = [from, to, target, org, cluster, rule, given.again].map((value) => value ?? null);
  const what = `started_at => $1, stopped_at => $2, target => $3, org_id => $4, cluster => $5, rule => $6,
    again => coalesce($7::boolean, false)`;
  const { rows: found } = await pool.query(
    `select target, state, count(*)::integer as messages, sum(cardinality(issue_ids))::integer as issues,
       count(distinct (org_id, cluster))::integer as clusters
     from preview_replay(${what}) group by target, state order by target, state desc`,
    values,
  );
  if (found.length === 0) {
    printRows(found, { json, empty: "There is nothing to replay." });
    process.exitCode = 3;
    return;
  }
  if (!json) printRows(found, { empty: "" });
  await agreed(given.yes, `Replay ${messages(sum(found))}?`, "Nothing was replayed.");
  const { rows: done } = await pool.query(
    `select target_name as target, messages, issues, clusters from replay(${what})`,
    values,
  );
  if (json) printRows(done, { json, empty: "" });
  else console.log(`Replayed: ${messages(sum(done))}.`);
  if (done.length === 0) process.exitCode = 3;
}

const messages = (count: number): string => `${count} ${count === 1 ? "message" : "messages"}`;

const sum = (rows: { messages: number }[]): number => rows.reduce((all, row) => all + row.messages, 0);

/** One row for each different row, with how many there are of it. */
function counted<T extends Record<string, string | null>>(rows: T[]): (T & { messages: number })[] {
  const groups = Map.groupBy(rows, (row) => JSON.stringify(row));
  return [...groups.values()].map((group) => ({ ...(group[0] as T), messages: group.length }));
}
