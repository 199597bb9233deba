import type { AnyRow } from "../db/rows.ts";
import { cutText } from "../text/cut.ts";
import { invalid, mostTyped, type Problem, problemShown } from "./form.ts";
import { meant, shown, words } from "./format.ts";
import { type Html, html } from "./html.ts";
import type { List, ListQuestion, Meanings } from "./sql.ts";
import { valueInWords } from "./words.ts";

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
  /** what a row is, and what of it needs a word */
  says?: string;
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

/** What is wrong with what a person asked, and in which field of the form or the address. */
export class BadQuestion extends Error {
  readonly field: string | undefined;
  constructor(message: string, field?: string) {
    super(message);
    this.field = field;
  }
}

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
  throw new BadQuestion("after: it does not name a row of this table", "after");
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
  problem?: Problem,
): Html {
  const names = [...list.filters, ...(list.time_column === null ? [] : ["from", "to"])];
  // as the head of the column says
  const nameOf = (name: string) =>
    labels[name] ?? look.columns.find((column) => column.name === name)?.label ?? words(name);
  const labelOf = (name: string) =>
    name === "from" || name === "to"
      ? `${labels[name]} (${nameOf(list.time_column ?? "").toLowerCase()}, UTC)`
      : nameOf(name);
  const field = (name: string) => {
    const value = state.filters[name] ?? "";
    const id = `filter-${name}`;
    const choices = look.choices?.[name];
    const wrong = invalid(problem, name);
    const input = choices
      ? html`<select id="${id}" name="${name}"${wrong}><option value="">any</option>${[
          ...new Set([...choices, ...(value ? [value] : [])]),
        ].map(
          (one) =>
            html`<option${one === value ? html` selected` : ""} value="${one}">${valueInWords(one)}</option>`,
        )}</select>`
      : html`<input id="${id}" name="${name}" value="${value}" maxlength="${mostTyped}" autocomplete="off"${wrong}${
          name === "from" || name === "to" ? html` placeholder="2026-12-24T08:00Z"` : ""
        }>`;
    return html`<div><label for="${id}">${labelOf(name)}</label>${input}</div>`;
  };
  const given = Object.entries(state.filters);
  const summary =
    given.length === 0
      ? "Narrow or sort the table"
      : html`Narrowed to ${given.map(
          ([name, value], nth) => html`${nth > 0 && ", "}${labelOf(name)}: ${cutText(value, 60)}`,
        )}`;
  const sorts = look.columns.filter(({ unsorted }) => !unsorted);
  const isOpen = given.length > 0 || problem !== undefined;
  const place = (name: string) =>
    names.includes(name) ? { id: `filter-${name}`, label: labelOf(name) } : undefined;
  // where a screen is wide, the style sheet shows the form in any case, and columns are sorted by their heads
  return html`<details class="narrow"${isOpen ? html` open` : ""}><summary>${summary}</summary>
<form class="filters" method="get" action="${path}" aria-label="Narrow the table">
${Object.entries(own).map(([name, value]) => value && html`<input type="hidden" name="${name}" value="${value}">`)}
${problem && problemShown(problem, place)}
${names.map(field)}
<div class="narrow-only"><label for="sort-by">Sort by</label><select id="sort-by" name="sort">${sorts.map(
    (column) =>
      html`<option value="${column.name}"${column.name === state.sort ? html` selected` : ""}>${headOf(column)}</option>`,
  )}</select></div>
<div class="narrow-only"><label for="sort-dir">Order</label><select id="sort-dir" name="dir"><option value="asc">smallest first</option><option value="desc"${state.descending ? html` selected` : ""}>largest first</option></select></div>
<div class="buttons"><button type="submit">Narrow</button>${
    given.length > 0 &&
    html` <a role="button" class="secondary outline" href="${path}${queryOf(own)}">Clear</a>`
  }</div></form></details>`;
}

const labels: Record<string, string> = {
  org_id: "Organization",
  error_key: "Error key",
  reasons: "Why held",
  from: "From",
  to: "Before",
  parent: "Table",
  at: "When",
  notified_at: "Decided",
  decided_at: "Decided",
  updated_at: "Report of",
  error_log: "Error",
  max_events: "Most issues in a message",
  last_notified_at: "Last notified",
  next_eligible_at: "May be notified from",
  next_attempt_at: "Next attempt",
  probe_at: "Next probe",
  failures: "Failures in a row",
  last_failed_at: "Last failed",
  created_at: "Added",
  created_by: "Added by",
};

const headOf = ({ name, label }: Column) => label ?? labels[name] ?? words(name);

/** Columns of sentences, which want more room than a word. */
const sentences = new Set([
  ...[
    "reasons",
    "reason",
    "end_reason",
    "last_error",
    "error_log",
    "detail",
    "details",
    "refusal",
    "meaning",
  ],
  ...["finding", "what_to_do", "cluster", "issues", "created_by", "changed_by", "held_by"],
]);

/** A cell; where a screen is narrow, a row is a card, and each cell says what it is. */
const cell = (row: AnyRow, column: Column): Html =>
  html`<td class="${column.isNumber ? "number" : sentences.has(column.name) && "sentence"}" data-label="${headOf(column)}">${
    column.cell ? column.cell(row) : shown(row[column.name])
  }</td>`;

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
  const head = (column: Column) => {
    const { name, isNumber, unsorted } = column;
    const text = headOf(column);
    const isSorted = state.sort === name;
    if (unsorted) return html`<th scope="col">${text}</th>`;
    const turned = { ...state, sort: name, descending: isSorted ? !state.descending : false };
    return html`<th scope="col" class="${isNumber && "number"}"${
      isSorted ? html` aria-sort="${state.descending ? "descending" : "ascending"}"` : ""
    }><a href="${address(path, own, turned)}">${text}${isSorted && (state.descending ? "\u{A0}▼" : "\u{A0}▲")}</a></th>`;
  };
  const links = html`<nav class="after-table" aria-label="Pages and downloads">${
    state.after && html`<a href="${address(path, own, { ...state, after: null })}">First page</a> `
  }${next && html`<a rel="next" href="${next}">Next page</a> `}<span>Download as <a href="${download("csv")}" download>CSV</a>, <a href="${download("json")}" download>JSON</a></span></nav>`;
  if (page.length === 0)
    return html`<p class="empty">${
      Object.keys(state.filters).length > 0
        ? html`Nothing matches what the table is narrowed to. <a href="${path}${queryOf(own)}">Show all</a>`
        : look.empty
    }</p>${links}`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table"><table class="cards"><thead><tr>${
    lead && html`<th scope="col">${lead.label}</th>`
  }${look.columns.map(head)}</tr></thead><tbody>${page.map(
    (row) =>
      html`<tr>${lead && html`<td data-label="${lead.label}">${lead.cell(row)}</td>`}${look.columns.map((column) => cell(row, column))}</tr>`,
  )}</tbody></table></div>${links}`;
}

/** What the columns of a table mean, in the words of the database. */
export function meaningsOf(look: Look, meanings: Meanings): Html {
  const rows = look.columns.flatMap((column): [string, string][] => {
    const meaning = meanings[column.name];
    return meaning ? [[headOf(column), meaning]] : [];
  });
  return html`<details class="meanings"><summary>What the columns mean</summary><dl class="facts">${rows.map(
    ([head, meaning]) => html`<dt>${head}</dt><dd>${meant(meaning)}</dd>`,
  )}</dl></details>`;
}

/** A table of a few rows that is neither sorted nor narrowed. */
export function plainTable(rows: AnyRow[], columns: Column[], empty: string): Html {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table"><table class="cards"><thead><tr>${columns.map(
    (column) => html`<th scope="col" class="${column.isNumber && "number"}">${headOf(column)}</th>`,
  )}</tr></thead><tbody>${rows.map(
    (row) => html`<tr>${columns.map((column) => cell(row, column))}</tr>`,
  )}</tbody></table></div>`;
}
