import { type Db, notificationsBackend, rows } from "./builders.ts";

/** A time in March 2026, at noon unless said otherwise. */
export const on = (day: number, time = "12:00") => `2026-03-${String(day).padStart(2, "0")}T${time}:00Z`;

/** All that explain_at says of a cluster. */
export const explainAt = (
  db: Db,
  at: string,
  cluster: string,
  target: string | null = notificationsBackend,
) => rows(db, "select * from explain_at($1, $2, $3) order by target, issue_id", [at, target, cluster]);

/** The same in short, as `rule|KEY decision reason …`. */
export async function answersAt(db: Db, at: string, cluster: string): Promise<string[]> {
  const explained = await rows(
    db,
    `select array_to_string(array[rule_name(component) || '|' || error_key, decision] || reasons, ' ') as answer
     from explain_at($1, $2, $3) order by 1`,
    [at, notificationsBackend, cluster],
  );
  return explained.map(({ answer }) => String(answer));
}
