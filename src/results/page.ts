import type { Operation } from "./operation.ts";

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** A page for people: every operation of an API, and where the document for programs is. */
export function pageOf(title: string, prefix: string, operations: readonly Operation[]): string {
  const rows = operations.map(
    ({ method, path, summary, query, isOpen }) =>
      `<tr><td>${method}</td><td><code>${escaped(path)}</code></td><td>${escaped(
        Object.keys(query.shape).join(", "),
      )}</td><td>${escaped(summary)}${isOpen ? " (needs no identity)" : ""}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${escaped(title)}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { border-bottom: 1px solid #ccc; padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }
</style>
</head>
<body>
<h1>${escaped(title)}</h1>
<p>Paths are below <code>${escaped(prefix)}</code>. Programs read
<a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
<table>
<thead><tr><th>Method</th><th>Path</th><th>Query</th><th>What it answers</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody>
</table>
</body>
</html>
`;
}
