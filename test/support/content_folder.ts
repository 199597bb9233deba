import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";

/** Path → content of a file; undefined for none. */
export type Tree = Record<string, string | Buffer | undefined>;

/** A folder with these files, for the time of the test. */
export async function folderOf(t: TestContext, tree: Tree): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "content-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  await writeTree(root, tree);
  return root;
}

async function writeTree(root: string, tree: Tree): Promise<void> {
  for (const [path, text] of Object.entries(tree)) {
    if (text === undefined) continue;
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

/** What a rule of `openRules` says; important (total risk 3) and for both targets unless changed. */
export type GivenRule = {
  description?: string;
  reason?: string;
  impact?: "Low" | "Moderate" | "Important" | "Critical";
  likelihood?: number;
};

/** A folder whose rules, each with the error key KEY, can be replaced; removed when it is disposed of. */
export async function openRules() {
  const path = await mkdtemp(join(tmpdir(), "content-"));
  const remove = () => rm(path, { recursive: true, force: true });
  return {
    path,
    /** These are all the rules from now on. */
    async replace(rules: Record<string, GivenRule>): Promise<void> {
      await remove();
      await writeTree(path, { "config.yaml": "impact: {Low: 1, Moderate: 2, Important: 3, Critical: 4}\n" });
      for (const [rule, given] of Object.entries(rules)) await writeTree(path, ruleFiles(rule, given));
    },
    [Symbol.asyncDispose]: remove,
  };
}

function ruleFiles(rule: string, { description, reason, impact, likelihood }: GivenRule): Tree {
  const metadata = {
    description: description ?? `${rule} is wrong`,
    impact: impact ?? "Important",
    likelihood: likelihood ?? 3,
    status: "active",
    tags: ["osd_customer"],
  };
  return {
    [`external/${rule}/plugin.yaml`]: `name: ${rule}\npython_module: pkg.${rule}\n`,
    [`external/${rule}/generic.md`]: "generic",
    [`external/${rule}/reason.md`]: reason ?? `because of ${rule}`,
    [`external/${rule}/KEY/metadata.yaml`]: JSON.stringify(metadata),
  };
}
