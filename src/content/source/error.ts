/**
 * Rule content that cannot be used. Each problem is one line: the file or folder (relative to the content
 * folder, with `/`), and what is wrong with it; the message has all of them.
 */
export class ContentError extends Error {
  override name = "ContentError";
  readonly problems: readonly string[];
  /** The whole content is unusable, not only the rule that was being read. */
  readonly ofTheWhole: boolean;

  constructor(
    path: string,
    problem: string | readonly string[],
    options: { cause?: unknown; ofTheWhole?: boolean } = {},
  ) {
    const problems = [problem].flat().map((one) => oneLine(`${path}: ${one}`));
    super(problems.join("; "), options);
    this.problems = problems;
    this.ofTheWhole = options.ofTheWhole ?? false;
  }
}

/** A folder name or a YAML message may hold line breaks; a log line may not. */
function oneLine(text: string): string {
  return text.replaceAll(/[\s\p{Cc}]+/gu, " ").trim();
}
