import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { ConfigurationError } from "../../src/errors.ts";
import { startServer } from "../../src/http/server.ts";
import { createLogger } from "../../src/log.ts";
import { networksOf } from "../../src/results/identity.ts";
import { testDatabase } from "../support/database.ts";
import { identityOf, testApi } from "../support/results_api.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ccx-mutual-tls-"));
after(() => rmSync(folder, { recursive: true }));
const read = (name: string) => readFileSync(path.join(folder, name), "utf8");

/** An authority, and what it vouches for: `<name>.pem` and `<name>.key`. */
function issue(name: string, authority?: string): void {
  execFileSync(
    "openssl",
    [
      ...[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-noenc",
        "-days",
        "2",
      ],
      ...["-keyout", `${name}.key`, "-out", `${name}.pem`, "-subj", `/CN=${name}`],
      ...(authority === undefined
        ? []
        : [
            ...["-CA", `${authority}.pem`, "-CAkey", `${authority}.key`],
            ...["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:false"],
          ]),
    ],
    { cwd: folder, stdio: "pipe" },
  );
}
issue("ca");
issue("other-ca");
issue("server", "ca");
issue("gateway", "ca");
issue("stranger", "other-ca");

const database = testDatabase();
const nobodyByAddress = { trustedPeers: networksOf(["203.0.113.0/24"]) };
const tlsOf = (clientCa?: string) => () => ({
  ...{ cert: read("server.pem"), key: read("server.key") },
  clientCa: clientCa === undefined ? undefined : read(`${clientCa}.pem`),
});
const asking = testApi(database, { ...nobodyByAddress, tls: tlsOf("ca") });
const deaf = testApi(database, { ...nobodyByAddress, tls: tlsOf() });

/** The status of a request with the identity of an organization, by somebody with this certificate. */
async function statusFor(
  url: string,
  certificate: string | undefined,
  org: number | null = 11,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const sent = request(`${url}/api/v2/clusters`, {
    ca: read("ca.pem"),
    agent: false,
    ...(certificate !== undefined && { cert: read(`${certificate}.pem`), key: read(`${certificate}.key`) }),
    headers: org === null ? {} : { "x-rh-identity": identityOf(org) },
  });
  sent.on("error", reject);
  sent.on("response", (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  });
  sent.end();
  return promise;
}

test("the identity is believed of whoever shows a certificate of the authority, and of nobody else", async () => {
  const url = await asking.url();
  assert.equal(await statusFor(url, "gateway"), 200);
  assert.equal(await statusFor(url, undefined), 403);
  assert.equal(await statusFor(url, "stranger"), 403);
  assert.equal(await statusFor(url, "gateway", null), 403, "a certificate is no identity");
});

test("without an authority no certificate counts", async () => {
  const url = await deaf.url();
  assert.equal(await statusFor(url, "gateway"), 403);
});

test("a port with TLS speaks nothing else, and a key of another certificate is refused at the start", async () => {
  await assert.rejects(fetch((await asking.url()).replace("https:", "http:")));
  const wrong = { cert: read("server.pem"), key: read("gateway.key") };
  for (const tls of [wrong, { cert: "nonsense", key: read("server.key") }])
    await assert.rejects(
      startServer({ host: "127.0.0.1", port: 0, routes: {}, tls }, createLogger("silent")),
      (error) => error instanceof ConfigurationError && /CCX_HTTP_CERT_FILE/.test(error.message),
    );
});
