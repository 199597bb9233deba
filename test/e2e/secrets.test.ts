import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { runCcx } from "../support/command.ts";
import { startRefusingPostgres } from "../support/refusing_postgres.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { type Scene, scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";

/** Recognisable, and with signs that URLs, JSON and base64 write in another way. */
const planted = {
  database: "pl4nted/db+\"'%",
  sasl: "pl4nted/sasl+\"'%",
  client: "pl4nted/client+\"'%",
  query: "pl4nted/query",
  token: "pl4nted/token.with~signs",
};
const clientId = "ccx-test";

/** Every way in which a secret could be written. */
const forms = Object.values(planted).flatMap((secret) => [
  ...[
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    new URLSearchParams({ x: secret }).toString().slice(2),
  ],
  ...[`${clientId}:${secret}`, secret, `\0ccx\0${secret}`].map((plain) =>
    Buffer.from(plain)
      .toString("base64")
      .replace(/..==?$/, ""),
  ),
  Buffer.from(secret).toString("hex"),
]);

function assertClean(output: string, where: string): void {
  for (const form of forms) {
    const at = output.indexOf(form);
    assert.equal(at, -1, `${where}: …${output.slice(Math.max(0, at - 200), at + 100)}…`);
  }
}

const secretEnv = (databaseUrl: string) => {
  const url = new URL(databaseUrl);
  url.password = encodeURIComponent(planted.database);
  return {
    DATABASE_URL: url.href,
    CCX_LOG_LEVEL: "trace",
    CCX_SERVICE_LOG_CLIENT_ID: clientId,
    CCX_SERVICE_LOG_CLIENT_SECRET: planted.client,
    CCX_CONTENT_URL: `http://127.0.0.1:1/content?key=${planted.query}`,
  };
};
const sasl = (mechanism: string) => ({
  CCX_KAFKA_SASL_MECHANISM: mechanism,
  CCX_KAFKA_SASL_USERNAME: "ccx",
  CCX_KAFKA_SASL_PASSWORD: planted.sasl,
});

/** A token server and a Service Log that repeat everything they were sent. */
async function startEcho() {
  const seen: string[] = [];
  const tokens = ["401", "500", "no token", "error is the secret", "token"];
  const entries = [401, 401, 500, 503, 429, 400];
  const server = createServer(async (request, response) => {
    const body = await text(request);
    const echo = said(request, body);
    seen.push(echo);
    response.setHeader("content-type", "application/json");
    if (request.url?.startsWith("/token")) {
      const how = tokens.length > 1 ? tokens.shift() : tokens[0];
      const error = how === "error is the secret" ? planted.client : echo;
      response.statusCode = how === "token" || how === "no token" ? 200 : Number(how) || 400;
      response.end(
        JSON.stringify(
          how === "token"
            ? { access_token: planted.token, expires_in: 900 }
            : { error, error_description: echo, reason: echo },
        ),
      );
      return;
    }
    // the second try of a 401 is part of the same exchange
    response.statusCode = request.method === "GET" ? 200 : (entries.shift() ?? 400);
    response.end(
      JSON.stringify(request.method === "GET" ? { items: [], reason: echo } : { reason: echo, code: echo }),
    );
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    env: {
      CCX_SERVICE_LOG_URL: `${at}/logs`,
      CCX_SERVICE_LOG_TOKEN_URL: `${at}/token?key=${planted.query}`,
    },
    seen,
    left: () => tokens.length - 1 + entries.length,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await server[Symbol.asyncDispose]();
    },
  };
}

function said({ url, headers }: IncomingMessage, body: string): string {
  return `you sent ${url} ${headers.authorization} ${body}`;
}

/** All rows of all tables, ours and the job queue's, as text; and what the server shows of sessions. */
async function everythingIn(scene: Scene): Promise<string> {
  const tables = await scene.rows(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
     where schemaname in ('public', 'graphile_worker', 'graphile_migrate')`,
  );
  const found: unknown[] = [];
  for (const { name } of tables)
    found.push(await scene.value(`select string_agg(t::text, e'\\n') from ${name} t`));
  found.push(
    await scene.value(
      "select string_agg(concat_ws(' ', application_name, query), e'\\n') from pg_stat_activity",
    ),
  );
  return found.join("\n");
}

scenario(
  "what receivers repeat of our secrets reaches no log, no row, no notice and no explanation",
  { serviceLog: true },
  async (scene) => {
    await using echo = await startEcho();
    const env = { ...secretEnv(scene.databaseUrl), ...echo.env };
    const heard = await scene.pool.connect();
    const notices: string[] = [];
    heard.on("notification", ({ payload }) => notices.push(payload ?? ""));
    await heard.query("listen ccx_events");
    try {
      const service = scene.start("run", { env });
      await scene.topics.produce([aReport(aCluster(), ["bug"])]);
      await until("the echo has done everything it can", async () => {
        await scene.leasesEnd();
        return echo.left() === 0;
      });
      const quoted = () =>
        scene.rows("select last_error from notification where last_error like '%HTTP 400%'");
      await until("its refusal is known", async () => {
        await scene.leasesEnd();
        return (await quoted()).length > 0;
      });
      await scene.topics.received.take(1);
      await scene.rows("select graphile_worker.add_job('fetch_content')"); // or within five minutes
      await service.says("content not fetched, what was there stays");
      assert.ok(
        echo.seen.some((line) => line.includes(planted.token)) &&
          echo.seen.some((line) => line.includes("Basic ")),
      );
      const errors = await quoted();
      assert.equal(errors.length, 1);
      assert.match(
        String(errors[0]?.last_error),
        /HTTP 400: you sent/,
        "what it said is quoted, without the token",
      );
      assertClean(JSON.stringify(service.lines) + service.stderr, "the log");
      assertClean(await everythingIn(scene), "the database");
      await until("a notice has come", () => notices.length > 0);
      assertClean(notices.join("\n"), "the notices");
      for (const command of [
        ["explain", "--all", "--json"],
        ["explain", "--all"],
        ["config"],
        ["content", "fetch"],
      ]) {
        const { stdout, stderr } = await runCcx(command, { ...env, CCX_CONTENT_ALLOW_HTTP: "true" });
        assert.ok(stdout + stderr);
        assertClean(stdout + stderr, command.join(" "));
      }
      await service.stop();
      assertClean(JSON.stringify(service.lines) + service.stderr, "the log");
    } finally {
      heard.release(true);
    }
  },
);

test("a database that refuses, hangs up or is away gets no secret out of us", async () => {
  await using server = await startRefusingPostgres();
  const urls = [`postgres://ccx@127.0.0.1:${server.port}/ccx`, "postgres://ccx@127.0.0.1:1/ccx"];
  for (const url of urls)
    for (const command of [["tail"], ["rejected", "list"], ["explain", "--all"], ["config"]]) {
      const { stdout, stderr } = await runCcx(command, secretEnv(url));
      assert.ok(stdout + stderr);
      assertClean(stdout + stderr, `${command} on ${url}`);
    }
});

scenario("Kafka that refuses the login, or is away, gets no secret out of us", {}, async (scene) => {
  for (const mechanism of ["plain", "scram-sha-512"]) {
    const service = scene.start("consume", { env: { ...secretEnv(scene.databaseUrl), ...sasl(mechanism) } });
    await until(
      "it says that Kafka does not let it in",
      () => service.hasEnded || /sasl|login|connection/i.test(JSON.stringify(service.lines)),
    );
    await service.kill();
    assert.ok(service.lines.length > 0);
    assertClean(JSON.stringify(service.lines) + service.stderr, mechanism);
  }
  const away = scene.start("consume", {
    env: { ...secretEnv(scene.databaseUrl), ...sasl("plain"), KAFKA_BROKERS: "127.0.0.1:1" },
  });
  await away.says("results cannot be consumed yet, trying again");
  await away.kill();
  assertClean(JSON.stringify(away.lines) + away.stderr, "broker away");
});

test("a wrong value beside secrets, or a secret of the wrong form, is reported without them", async () => {
  const good = { ...secretEnv("postgres://ccx@127.0.0.1:1/ccx"), ...sasl("plain") };
  const wrong: Record<string, string>[] = [
    { CCX_BATCH_SIZE: "x" },
    { DATABASE_URL: `mysql://u:${encodeURIComponent(planted.database)}@h/d` },
    { DATABASE_URL: `postgres://u:${planted.database}@h/d` },
    { DATABASE_URL: `postgres://h/d?password=${planted.database}\u0007#` },
    { CCX_KAFKA_SASL_PASSWORD: `${planted.sasl}\u0007` },
    { CCX_SERVICE_LOG_CLIENT_SECRET: `${planted.client}\n` },
    { CCX_SERVICE_LOG_URL: `https://u:${encodeURIComponent(planted.client)}@h/` },
    { CCX_SERVICE_LOG_URL: `http://h/?token=${planted.query}` },
    { CCX_CONTENT_URL: `http://h/?token=${planted.query}` },
    { CCX_KAFKA_SASL_MECHANISM: "gssapi" },
  ];
  for (const one of wrong) {
    const { stdout, stderr } = await runCcx(["config"], { ...good, ...one });
    assert.ok(stdout + stderr);
    assertClean(stdout + stderr, Object.keys(one).join());
  }
});
