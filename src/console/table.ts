import type { AnyRow } from "../db/rows.ts";
import { shown, words } from "./format.ts";
import { type Html, html } from "./html.ts";
import type { List, ListQuestion } from "./sql.ts";

export type Column = {
  name: string;
  label?: string;
  /** right-aligned */
  isNumber?: boolean;
  /** arrays and what is computed cannot be sorted by */
  unsorted?: boolean;
  cell?: (row: AnyRow) => Html;
};

/** How a table of the console looks; what it may be narrowed by, the database says. */
export type Look = {
  list: string;
  columns: Column[];
  sort: string;
  descending?: boolean;
  /** what would stand here */
  empty: string;
  /** values of a filter that a person chooses among */
  choices?: Record<string, readonly string[]>;
};

/** Everything that a URL says of a table. */
export type TableState = {
  filters: Record<string, string>;
  sort: string;
  descending: boolean;
  after: (string | null)[] | null;
};

export const pageSize = 50;

/** What is wrong with what a person asked of a table. */
export class BadQuestion extends Error {}

/** The state of a table from a query; what the table does not know is left for the database to refuse. */
export function stateOf(
  query: Record<string, string | undefined>,
  look: Look,
  own: readonly string[],
): TableState {
  const filters: Record<string, string> = {};
  for (const [name, value] of Object.entries(query)) {
    if (["sort", "dir", "after", ...own].includes(name) || !value?.trim()) continue;
    filters[name] = value.trim();
  }
  return {
    filters,
    sort: query.sort || look.sort,
    descending:
      query.dir === undefined || query.dir === "" ? (look.descending ?? false) : query.dir === "desc",
    after: query.after ? decodeAfter(query.after) : null,
  };
}

export const questionOf = (look: Look, state: TableState, limit: number): ListQuestion => ({
  list: look.list,
  ...state,
  limit,
});

/** The place after a row, as a URL carries it. */
export function placeOf(row: AnyRow, sort: string, list: List): (string | null)[] {
  const text = (value: unknown) => (value === null || value === undefined ? null : String(value));
  return [text(row[sort]), ...list.keys.map((key) => text(row[key]))];
}

const encodeAfter = (place: (string | null)[]) => Buffer.from(JSON.stringify(place)).toString("base64url");

function decodeAfter(text: string): (string | null)[] {
  try {
    const place: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    if (Array.isArray(place) && place.every((one) => one === null || typeof one === "string")) return place;
  } catch {
    // said below
  }
  throw new BadQuestion("after: it does not name a row of this table");
}

const queryOf = (values: Record<string, string | undefined>) => {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value) query.set(name, value);
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
};

/** The address of a page with this state of its table. */
export const address = (
  path: string,
  own: Record<string, string | undefined>,
  state: Partial<TableState>,
  after?: (string | null)[],
) =>
  path +
  queryOf({
    ...own,
    ...state.filters,
    sort: state.sort,
    dir: state.sort === undefined ? undefined : state.descending ? "desc" : "asc",
    after: after && encodeAfter(after),
  });

/** The form that narrows a table: each of its filters, with what is given now. */
export function filterForm(
  path: string,
  own: Record<string, string | undefined>,
  look: Look,
  list: List,
  state: TableState,
  problem?: string,
): Html {
  const names = [...list.filters, ...(list.time_column === null ? [] : ["from", "to"])];
  const wrong = problem === undefined ? undefined : /^(\w+): /.exec(problem)?.[1];
  const field = (name: string) => {
    const value = state.filters[name] ?? "";
    const id = `filter-${name}`;
    const choices = look.choices?.[name];
    const invalid = wrong === name ? html` aria-invalid="true" aria-describedby="problem"` : "";
    const input = choices
      ? html`<select id="${id}" name="${name}"${invalid}><option value="">any</option>${[
          ...new Set([...choices, ...(value ? [value] : [])]),
        ].map(
          (one) => html`<option${one === value ? html` selected` : ""} value="${one}">${one}</option>`,
        )}</select>`
      : html`<input id="${id}" name="${name}" value="${value}" autocomplete="off"${invalid}${
          name === "from" || name === "to" ? html` placeholder="2026-12-24T08:00Z"` : ""
        }>`;
    return html`<div><label for="${id}">${labels[name] ?? words(name)}</label>${input}</div>`;
  };
  return html`<form class="filters" method="get" action="${path}" aria-label="Narrow the table">
${Object.entries(own).map(([name, value]) => value && html`<input type="hidden" name="${name}" value="${value}">`)}
${problem !== undefined && html`<p id="problem" class="problem" role="alert">${problem}</p>`}
${names.map(field)}
<input type="hidden" name="sort" value="${state.sort}"><input type="hidden" name="dir" value="${state.descending ? "desc" : "asc"}">
<div class="buttons"><button type="submit">Narrow</button>${
    Object.keys(state.filters).length > 0 &&
    html` <a role="button" class="secondary outline" href="${path}${queryOf(own)}">Clear</a>`
  }</div></form>`;
}

const labels: Record<string, string> = {
  org_id: "Organization",
  error_key: "Error key",
  reasons: "Reason",
  from: "From",
  to: "Before",
};

export type TableParts = {
  path: string;
  own: Record<string, string | undefined>;
  look: Look;
  list: List;
  state: TableState;
  rows: AnyRow[];
  /** the first cell of each row: a tick, a button */
  lead?: { label: string; cell: (row: AnyRow) => Html };
};

/** A table with its sorted columns, the way to its next page, and its downloads. */
export function table({ path, own, look, list, state, rows, lead }: TableParts): Html {
  const page = rows.slice(0, pageSize);
  const last = page.at(-1);
  const next =
    rows.length > pageSize && last ? address(path, own, state, placeOf(last, state.sort, list)) : undefined;
  const download = (kind: string) => address(`/console/list/${look.list}.${kind}`, {}, state);
  const head = ({ name, label, isNumber, unsorted }: Column) => {
    const text = label ?? labels[name] ?? words(name);
    const isSorted = state.sort === name;
    if (unsorted) return html`<th scope="col">${text}</th>`;
    const turned = { ...state, sort: name, descending: isSorted ? !state.descending : false };
    return html`<th scope="col" class="${isNumber && "number"}"${
      isSorted ? html` aria-sort="${state.descending ? "descending" : "ascending"}"` : ""
    }><a href="${address(path, own, turned)}">${text}${isSorted && (state.descending ? " ▼" : " ▲")}</a></th>`;
  };
  const cell = (row: AnyRow, column: Column) =>
    html`<td class="${column.isNumber && "number"}">${column.cell ? column.cell(row) : shown(row[column.name])}</td>`;
  const links = html`<nav class="after-table" aria-label="Pages and downloads">${
    state.after && html`<a href="${address(path, own, { ...state, after: null })}">First page</a> `
  }${next && html`<a rel="next" href="${next}">Next page</a> `}<span>Download as <a href="${download("csv")}" download>CSV</a>, <a href="${download("json")}" download>JSON</a></span></nav>`;
  if (page.length === 0)
    return html`<p class="empty">${Object.keys(state.filters).length > 0 ? "Nothing matches what the table is narrowed to. " : ""}${look.empty}</p>${links}`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table"><table><thead><tr>${
    lead && html`<th scope="col">${lead.label}</th>`
  }${look.columns.map(head)}</tr></thead><tbody>${page.map(
    (row) =>
      html`<tr>${lead && html`<td>${lead.cell(row)}</td>`}${look.columns.map((column) => cell(row, column))}</tr>`,
  )}</tbody></table></div>${links}`;
}

/** A table of a few rows that is neither sorted nor narrowed. */
export function plainTable(rows: AnyRow[], columns: Column[], empty: string): Html {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table"><table><thead><tr>${columns.map(
    ({ name, label, isNumber }) =>
      html`<th scope="col" class="${isNumber && "number"}">${label ?? labels[name] ?? words(name)}</th>`,
  )}</tr></thead><tbody>${rows.map(
    (row) =>
      html`<tr>${columns.map(
        (column) =>
          html`<td class="${column.isNumber && "number"}">${column.cell ? column.cell(row) : shown(row[column.name])}</td>`,
      )}</tr>`,
  )}</tbody></table></div>`;
}
