import { type Html, html } from "./html.ts";

export type Series = { name: string; kind: "a" | "b" | "c"; values: number[] };

/**
 * Bars beside each other, drawn on the server, so that they are there without a script, too. What a bar says
 * stands in its title, and in the table under the plot for who does not see it.
 */
export function bars(title: string, labels: string[], series: Series[]): Html {
  const width = 720;
  const height = 150;
  const most = Math.max(1, ...series.flatMap(({ values }) => values));
  const step = width / Math.max(1, labels.length);
  const bar = Math.max(1, (step - 4) / series.length);
  const y = (value: number) => (value / most) * (height - 20);
  return html`<figure class="plot">
<figcaption>${title} <span class="legend">${series.map(({ name, kind }) => html`<span class="key key-${kind}">${name}</span> `)}</span></figcaption>
<svg viewBox="0 0 ${width} ${height + 28}" role="img" aria-label="${title}: the most is ${most}">
<line class="axis" x1="0" y1="${height}" x2="${width}" y2="${height}"></line>
<line class="grid" x1="0" y1="20" x2="${width}" y2="20"></line><text class="tick" x="0" y="15">${most}</text>
${labels.map((label, nth) => [
  series.map(({ name, kind, values }, which) => {
    const value = values[nth] ?? 0;
    return html`<rect class="bar bar-${kind}" x="${(nth * step + 2 + which * bar).toFixed(1)}" y="${(height - y(value)).toFixed(1)}" width="${bar.toFixed(1)}" height="${y(value).toFixed(1)}"><title>${label}: ${value} ${name}</title></rect>`;
  }),
  nth % Math.ceil(labels.length / 8) === 0 &&
    html`<text class="tick" x="${(nth * step).toFixed(1)}" y="${height + 21}">${label}</text>`,
])}
</svg>
<details><summary>As a table</summary><div class="scroll"><table><thead><tr><th scope="col">When</th>${series.map(({ name }) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead><tbody>${labels.map(
    (label, nth) =>
      html`<tr><th scope="row">${label}</th>${series.map(({ values }) => html`<td class="number">${values[nth] ?? 0}</td>`)}</tr>`,
  )}</tbody></table></div></details>
</figure>`;
}
