import type { Format } from "../content/render/escape.ts";
import type { ContentTexts } from "../content/render/texts.ts";
import type { Content } from "../content/sql.ts";
import { DeliveryError } from "../errors.ts";
import type {
  ClaimedNotification,
  Doubtful,
  RenderedIssue,
  RenderedNotification,
  TextName,
  Unrendered,
} from "./claimed.ts";

/** Where texts come from: what renders them, and the content that they are made of. */
export type TextSource = Pick<ContentTexts, "load" | "render">;

export type RenderedRows = {
  rows: RenderedNotification[];
  /** By id of the notification: the issues that were left out of it. */
  unrendered: Map<string, Unrendered[]>;
  /** By id of the notification: values that its texts lack. */
  doubtful: Map<string, Doubtful[]>;
  /** Notifications of which nothing is left, and why. */
  failed: { row: ClaimedNotification; error: DeliveryError }[];
};

/**
 * Renders what a target needs of each issue. An issue whose template fails is left out of its message, all
 * others go out; a message of which nothing is left fails as "template".
 */
export async function renderAll(
  rows: ClaimedNotification[],
  target: { texts: readonly TextName[]; format: Format },
  texts: TextSource,
): Promise<RenderedRows> {
  const contents = await texts.load(rows.flatMap(({ issues }) => issues.map(({ content_id }) => content_id)));
  const all: RenderedRows = { rows: [], unrendered: new Map(), doubtful: new Map(), failed: [] };
  await Promise.all(
    rows.map(async (row) => {
      const { issues, unrendered, doubtful } = await renderIssues(row, target, texts, contents);
      if (doubtful.length > 0) all.doubtful.set(row.id, doubtful);
      if (unrendered.length > 0) all.unrendered.set(row.id, unrendered);
      if (issues.length > 0) all.rows.push({ ...row, issues });
      else {
        const why = unrendered[0]?.error ?? "no issue left";
        all.failed.push({ row, error: new DeliveryError("template", why, { permanent: true }) });
      }
    }),
  );
  return all;
}

const inWords: Record<Doubtful["kind"], string> = {
  ...{ missing: "missing", null: "null", object: "an object", list: "a list with no text" },
  ...{ function: "a function", not_a_number: "not a number", link: "no address for a link" },
};

const noTexts: Record<TextName, string> = { description: "", reason: "" };

async function renderIssues(
  { issues: claimed, resolved }: ClaimedNotification,
  target: { texts: readonly TextName[]; format: Format },
  texts: TextSource,
  contents: ReadonlyMap<string, Content>,
): Promise<{ issues: RenderedIssue[]; unrendered: Unrendered[]; doubtful: Doubtful[] }> {
  const issues: RenderedIssue[] = [];
  const unrendered: Unrendered[] = [];
  const doubtful: Doubtful[] = [];
  // why a problem was there is of no interest when it is gone, so it is no reason to fail either
  const names = resolved ? target.texts.filter((name) => name !== "reason") : target.texts;
  const { format } = target;
  const answers = await Promise.all(
    claimed.map(async ({ content_id, details }) => {
      const render = () => texts.render(contents.get(content_id), { names, pydata: details, format });
      const answer = await render();
      // on a busy machine even a good template may hit a limit: once more, after the others
      return "error" in answer && answer.error.startsWith("stopped:") ? render() : answer;
    }),
  );
  for (const [at, { issue_id, hold_doubtful, ...issue }] of claimed.entries()) {
    const answer = answers[at];
    if (!answer || "error" in answer) {
      unrendered.push({ issue_id, error: answer?.error ?? "no answer" });
      continue;
    }
    const doubts = answer.doubts ?? [];
    doubtful.push(...doubts.map((doubt) => ({ issue_id, ...doubt })));
    const [first] = hold_doubtful ? doubts : [];
    if (first)
      unrendered.push({ issue_id, error: `${first.text}: {{${first.place}}} is ${inWords[first.kind]}` });
    else issues.push({ ...issue, ...noTexts, ...answer.texts });
  }
  return { issues, unrendered, doubtful };
}
