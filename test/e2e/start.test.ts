import { aCluster, aReport } from "../support/reports.ts";
import { type Scene, scenario } from "../support/scene.ts";

/** The `nth` time that this table is read, the server says that it shuts down; after that, it is there. */
async function goesAway({ pool }: Scene, schema: string, table: string, nth: number) {
  await pool.query(
    `create sequence readings;
     create function is_there() returns boolean language plpgsql as $$
     begin
       if nextval('public.readings') = ${nth} then
         raise exception 'terminating connection' using errcode = '57P01';
       end if;
       return true;
     end $$;
     alter table ${schema}.${table} rename to ${table}_kept;
     create view ${schema}.${table} as select * from ${schema}.${table}_kept where public.is_there()`,
  );
}

const kinds = [
  // the first time it is read to see whether this is the cell's database
  { part: "consumer", schema: "public", table: "cell", nth: 2 },
  { part: "worker", schema: "graphile_worker", table: "migrations", nth: 1 },
];
for (const { part, schema, table, nth } of kinds)
  scenario(`a database that goes away while the ${part} starts is waited for`, {}, async (scene) => {
    await goesAway(scene, schema, table, nth);
    await scene.topics.produce([aReport(aCluster(), ["bug"])]);
    const service = scene.start("run");
    await service.says("database is away, trying again");
    await scene.consumed(1);
    await scene.quiet();
    await scene.topics.received.take(1);
    await service.stop();
  });
