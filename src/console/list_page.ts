import type { AnyRow } from "../db/rows.ts";
import { type Ask, NotThere, requireFor } from "./ask.ts";
import { type Problem, problemOf } from "./form.ts";
import { type Html, html } from "./html.ts";
import * as sql from "./sql.ts";
import {
  BadQuestion,
  filterForm,
  type Look,
  meaningsOf,
  pageSize,
  questionOf,
  stateOf,
  type TableParts,
  table,
} from "./table.ts";

/**
 * The form and the table of a page. A question that the database refuses keeps the form as it was, with the
 * place that is wrong.
 */
export async function listOn(
  ask: Ask,
  look: Look,
  {
    own = {},
    lead,
    lines,
    wrap,
  }: {
    /** what else is in the URL of this page */
    own?: Record<string, string | undefined>;
    lead?: TableParts["lead"];
    /** what stands above the table */
    lines?: (rows: AnyRow[]) => Html | "";
    wrap?: (table: Html, rows: AnyRow[]) => Html;
  } = {},
): Promise<{ body: Html; status: number }> {
  const { path } = ask;
  requireFor(ask.person, look.list);
  const list = await ask.read((db) => sql.listOf(db, look.list));
  if (!list) throw new NotThere(`The console has no table "${look.list}".`);
  const known = [...Object.keys(own), "done"];
  const withoutPlace = stateOf({ ...ask.query, after: undefined }, look, known);
  try {
    const state = stateOf(ask.query, look, known);
    const { rows, meanings } = await ask.read(async (db) => ({
      rows: await sql.listRows(db, questionOf(look, state, pageSize + 1)),
      meanings: await sql.columnMeanings(db, list.relation),
    }));
    const made = table({ path, own, look, list, state, rows, ...(lead && { lead }) });
    return {
      body: html`<div class="list">${look.says !== undefined && html`<p class="says">${look.says}</p>`}${filterForm(path, own, look, list, state)}<div id="table-${look.list}" data-live>${lines?.(rows)}${wrap ? wrap(made, rows) : made}</div>${meaningsOf(look, meanings)}</div>`,
      status: 200,
    };
  } catch (error) {
    const problem: Problem | undefined =
      error instanceof BadQuestion ? error : problemOf(error, withoutPlace.filters);
    if (problem === undefined) throw error;
    return { body: filterForm(path, own, look, list, withoutPlace, problem), status: 400 };
  }
}
