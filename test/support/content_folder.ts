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
  for (const [path, text] of Object.entries(tree)) {
    if (text === undefined) continue;
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}
