import assert from "node:assert/strict";
import { scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";
import { oneFile, uploading } from "../support/uploading.ts";
import { announcement, archiveOf, resultOf } from "../support/uploads.ts";

const names = ["a", "b", "c", "d", "e"];
const rules = names.map((name) => ({
  ...{ name, component: `t.${name}.report`, description: name, reads: ["**"], tags: [], links: {} },
  source: `select 'RULE_${name.toUpperCase()}', '{}'::jsonb`,
}));

// what a timeout raises is raised here without one, so that no clock decides
scenario(
  "a machine with too much to do delays an archive, and neither rules nor issues pay for it",
  {},
  async (scene) => {
    await using owned = new AsyncDisposableStack();
    const { server, uploads, env } = await uploading(scene, owned);
    await scene.rows("select rule from load_rules($1)", [JSON.stringify(rules)]);
    await scene.rows("create sequence calls");
    const timesOut = (name: string, when = "true") =>
      scene.rows(
        `create or replace function rules.${name}() returns table (error_key text, details jsonb) language plpgsql
         as $$
         begin
           perform nextval('public.calls');
           if ${when} then raise query_canceled; end if;
         end $$`,
      );
    const cluster = (nth: number) => `00000000-0000-4000-8000-00000000000${nth}`;
    let uploaded = 0;
    const upload = async (requestId: string) => {
      const url = server.serve(`/${requestId}`, await archiveOf(oneFile(cluster(uploaded++))));
      await uploads.announce([announcement({ url, requestId })]);
      return until(`${requestId} is overloaded`, () =>
        scene.value("select error from analysis where request_id = $1 and failure = 'overloaded'", [
          requestId,
        ]),
      );
    };
    // the next try comes when the test wants it
    await scene.rows(
      `create function hold() returns trigger language plpgsql
       as $$ begin new.next_attempt_at := 'infinity'; return new; end $$;
       create trigger hold before update on analysis for each row
         when (old.failure = 'interrupted' and new.failure = 'overloaded') execute function hold()`,
    );

    const readsFiles = await scene.value(
      "select pg_get_functiondef('ccx.open_files(text[], text[])'::regprocedure)",
    );
    await scene.rows(
      `create or replace function ccx.open_files(paths text[], bodies text[]) returns integer language plpgsql
       as $$ begin raise query_canceled; end $$`,
    );
    const patient = { CCX_RULE_TIMEOUT_MS: "60000", CCX_RULES_TIMEOUT_MS: "60000" };
    const service = scene.start("analyze", { env: { ...env, ...patient, CCX_ANALYZERS: "1" } });
    assert.equal(await upload("files"), "the database took longer to read its files than a rule may");
    await scene.rows(String(readsFiles));

    for (const name of names) await timesOut(name);
    assert.equal(await upload("rules"), "3 of 5 SQL rules took longer than a rule may");
    assert.equal(
      await scene.value("select last_value::integer from calls"),
      4,
      "one of all together, then three by themselves: that suffices",
    );

    for (const name of names) await timesOut(name, "current_query() like '%analyze_archive%'");
    assert.equal(await upload("together"), "its rules took longer than all rules may");
    await timesOut("a");
    assert.equal(
      await upload("but-one"),
      "its rules took longer than all rules may, with 1 slow ones left out",
    );

    assert.deepEqual(await scene.rows("select from rule_failure"), []);
    assert.equal(await scene.value("select sum(timeouts)::integer from sql_rule"), 0);
    assert.equal(await uploads.resultCount(), 0);
    assert.match(
      String(await scene.value("select finding from doctor where topic = 'analyze'")),
      /^4 archives wait since most of their rules took too long$/,
    );

    // there is time again
    for (const { name, source } of rules) {
      await scene.rows(`drop function rules.${name}()`);
      await scene.rows(
        `create function rules.${name}() returns table (error_key text, details jsonb) language sql as $$ ${source} $$`,
      );
    }
    await scene.rows("update analysis set next_attempt_at = now() where state = 'waiting'");
    const results = (await uploads.published(4)).map(resultOf);
    assert.deepEqual(results.map(({ RequestId }) => RequestId).sort(), [
      ...["but-one", "files", "rules", "together"],
    ]);
    for (const { Report } of results)
      assert.deepEqual(
        Report.reports.map(({ key }) => key),
        ["RULE_A", "RULE_B", "RULE_C", "RULE_D", "RULE_E"],
      );
    await service.stop();
  },
);
