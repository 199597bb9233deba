import { type Html, html } from "./html.ts";
import type { Person } from "./person.ts";

export type Page = {
  title: string;
  body: Html;
  status?: number;
  /** where a standby gave the answer: how many seconds old it is at most */
  ageSeconds?: number;
};

const pages = [
  ["/console/", "Overview"],
  ["/console/new", "New"],
  ["/console/clusters", "Cluster"],
  ["/console/rules", "Rules"],
  ["/console/policies", "Policies"],
  ["/console/silences", "Silences"],
  ["/console/deliveries", "Deliveries"],
  ["/console/rejected", "Rejected"],
  ["/console/storage", "Storage"],
  ["/console/acts", "Acts"],
] as const;

/** A whole page. Without a person it has no way to anywhere. */
export function layout(
  page: Page,
  {
    person,
    path,
    csrf,
    note,
    release,
  }: { person: Person | undefined; path: string; csrf?: string; note?: string; release: string },
): string {
  const here = pages.findLast(([to]) => (to === "/console/" ? path === to : path.startsWith(to)))?.[0];
  const nav =
    person &&
    html`<nav class="pages" aria-label="Pages"><ul>${pages.map(
      ([to, name]) =>
        html`<li><a href="${to}"${to === here ? html` aria-current="page"` : ""}>${name}</a></li>`,
    )}</ul></nav>`;
  const who =
    person &&
    html`<p class="who"><span id="live" role="status" aria-live="polite"></span>${person.name}, <small>${
      person.mayAct ? "may act" : "may look"
    }${person.organization !== undefined && html`, organization ${person.organization} only`}</small>${
      person.cameBy === "token" &&
      html` <form class="inline" method="post" action="/console/logout"><input type="hidden" name="_csrf" value="${csrf}"><button class="secondary outline small" type="submit">Log out</button></form>`
    }</p>`;
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>${page.title} · ccx-notifications</title>
<link rel="icon" href="/console/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/console/static/pico.css"><link rel="stylesheet" href="/console/static/console.css">
${person && html`<script src="/console/static/console.js" defer></script>`}</head>
<body>
<a class="skip" href="#main">Skip to the page</a>
<header class="top"><p class="brand"><a href="/console/">ccx-notifications</a></p>${nav}${who}</header>
<main id="main" class="container-fluid">
<h1>${page.title}</h1>
${note && html`<p class="note" role="status">${note}</p>`}
${page.body}
</main>
<footer class="container-fluid"><small>Release ${release}. Times are in UTC; hover for yours.${
    page.ageSeconds !== undefined &&
    html` A standby of the database answered; this page is at most ${Math.ceil(page.ageSeconds)} s old.`
  }</small></footer>
</body></html>
`.markup;
}

/** The hidden field that proves that a form is ours. */
export const proof = (csrf: string): Html => html`<input type="hidden" name="_csrf" value="${csrf}">`;

/** Links between the parts of one page. */
export const tabs = (path: string, current: string, names: Record<string, string>): Html =>
  html`<nav class="tabs" aria-label="Parts of this page"><ul>${Object.entries(names).map(
    ([view, name]) =>
      html`<li><a href="${path}?view=${view}"${view === current ? html` aria-current="page"` : ""}>${name}</a></li>`,
  )}</ul></nav>`;
