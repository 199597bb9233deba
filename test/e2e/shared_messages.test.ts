import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { scenario } from "../support/scene.ts";

const folder = join(import.meta.dirname, "../../../shared/data/messages");
const skip = !existsSync(folder) && `there are no real messages here (${folder})`;

/** The reason that the name of an invalid file says. */
const reasons: Record<string, string> = {
  invalid_no_cluster_name: "missing_cluster_name",
  invalid_no_last_checked: "missing_last_checked",
  invalid_no_organization_id: "missing_org_id",
  invalid_no_report: "missing_report",
  invalid_string_version: "invalid_version",
  invalid_wrong_cluster_name: "invalid_cluster_name",
  invalid_wrong_last_checked: "invalid_last_checked",
  invalid_wrong_org_id: "invalid_org_id",
};

const files = skip ? [] : globSync("*", { cwd: folder }).sort();

scenario(
  "real messages are stored or rejected as their file says, and none is lost",
  { skip },
  async (scene) => {
    assert.ok(files.length >= 14, `all files are there: ${files}`);
    const service = scene.start("consume", { env: { CCX_BATCH_SIZE: "7" } });
    let produced = 0;
    let before = service.ingested();
    for (const file of files) {
      const values = linesOf(file);
      await scene.topics.produce(values);
      await scene.consumed(produced + values.length);
      const counts = await countsOf(produced, produced + values.length);
      const name = basename(file).replace(/\..*/, "");
      const reason = reasons[name];
      if (reason) assert.deepEqual(counts, { [reason]: values.length }, file);
      else if (name === "broken") assertBroken(counts, values.length);
      else assert.deepEqual(counts, {}, `${file}: all accepted`);

      const after = await service.ingestedAll(produced + values.length);
      const accepted =
        after.stored + after.replaced + after.unchanged - before.stored - before.replaced - before.unchanged;
      const rejected = after.rejected - before.rejected;
      assert.equal(accepted + rejected, values.length, `${file}: none lost`);
      assert.equal(
        rejected,
        Object.values(counts).reduce((a, b) => a + b, 0),
        `${file}: counted as rejected`,
      );
      assert.equal(after.skipped, 0);
      before = after;
      produced += values.length;
    }
    assert.equal(await scene.value("select count(*)::integer from new_reports"), before.stored);
    assert.equal(await scene.value("select count(*)::integer from rejected_message"), before.rejected);
    assert.equal(
      await scene.value("select count(*)::integer from rejected_message where detail = '' or value is null"),
      0,
    );
    await service.stop();

    /** How many of the messages from one offset to before another were rejected, by reason. */
    async function countsOf(from: number, to: number): Promise<Record<string, number>> {
      const rows = await scene.rows(
        "select reason, count(*)::integer as n from rejected_message where kafka_offset >= $1 and kafka_offset < $2 group by reason",
        [from, to],
      );
      return Object.fromEntries(rows.map(({ reason, n }) => [reason, Number(n)]));
    }
  },
);

function assertBroken(counts: Record<string, number>, lines: number): void {
  const rejected = Object.values(counts).reduce((a, b) => a + b, 0);
  assert.ok(rejected > 0 && rejected <= lines, JSON.stringify(counts));
}

function linesOf(file: string): (string | Buffer)[] {
  const lines = readFileSync(join(folder, file), "utf8").split("\n");
  if (lines.at(-1) === "") lines.pop();
  return file.endsWith(".base64") ? lines.map((line) => Buffer.from(line, "base64")) : lines;
}
