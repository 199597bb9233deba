import assert from "node:assert/strict";
import dns from "node:dns";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { loadConfig } from "../../src/config/config.ts";
import { keyList } from "../../src/config/keys.ts";
import { secureUrl, webUrl } from "../../src/config/values.ts";
import { fetchContent } from "../../src/content/source/fetch.ts";
import { AccessTokenSource } from "../../src/deliver/service_log/access_token.ts";
import { ServiceLogClient } from "../../src/deliver/service_log/client.ts";
import { checkedUrl } from "../../src/deliver/service_log/http.ts";
import { fillUrl } from "../../src/deliver/url_template.ts";
import { ConfigurationError } from "../../src/errors.ts";
import { createAgent, NoAnswer, send } from "../../src/http/client.ts";
import { ForbiddenAddress, isForbiddenHost, urlProblem } from "../../src/http/guard.ts";

const limits = { connectTimeoutMs: 1_000, timeoutMs: 5_000, maxResponseBytes: 65_536 };

/** Every way to write an address that gives out credentials, or is of this network segment only. */
const forbidden = [
  ...[
    "169.254.169.254",
    "169.254.0.1",
    "2852039166",
    "0xA9FEA9FE",
    "0251.0376.0251.0376",
    "169.254.43518",
    "0xa9.254.0xa9fe",
  ],
  ...["[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[0:0:0:0:0:FFFF:A9FE:A9FE]", "[::169.254.169.254]"],
  ...["[64:ff9b::169.254.169.254]", "[2002:a9fe:a9fe::]", "[fe80::1]", "[febf:ffff::1]", "[FE80::A9FE]"],
  ...[
    "[fd00:ec2::254]",
    "[fd00:0ec2:0:0:0:0:0:0254]",
    "[fd20:ce::254]",
    "100.100.100.200",
    "[::ffff:100.100.100.200]",
  ],
  ...["168.63.129.16", "0xA83F8110", "192.0.0.192", "0.0.0.0", "0.0.0.1", "0.255.255.255", "0", "[::]"],
  ...["[::ffff:168.63.129.16]", "[::168.63.129.16]", "[64:ff9b::192.0.0.192]", "[2002:a83f:8110::1]"],
  ...["[::ffff:0.0.0.0]", "[::0.0.0.2]", "[64:ff9b::0.0.0.0]", "[2002::1]"],
  // translated addresses
  ...[
    "[::ffff:0:169.254.169.254]",
    "[::ffff:0:6464:64c8]",
    "[0:0:0:0:FFFF:0:A83F:8110]",
    "[::ffff:0:0.0.0.0]",
  ],
  // NAT64 in a local network, by prefixes of 96, 64, 56 and 48 bits
  ...["[64:ff9b:1::169.254.169.254]", "[64:ff9b:1:ffff:1:2:a83f:8110]", "[64:ff9b:1::0.0.0.0]"],
  ...["[64:ff9b:1:7:a9:fea9:fe00:0]", "[64:ff9b:1:7a9:fe:a9fe::]", "[64:ff9b:1:a9fe:a9:fe00::]"],
  ...[
    "metadata.google.internal",
    "METADATA.google.internal.",
    "metadata.goog",
    "１６９.254.169.254",
    "169。254。169。254",
  ],
];
const permitted = [
  "169.253.255.255",
  "169.255.0.1",
  "100.100.100.201",
  ...["168.63.129.15", "168.63.129.17", "192.0.0.191", "1.0.0.0", "[::1]"],
  ...["[::ffff:0:8.8.8.8]", "[64:ff9b::8.8.8.8]", "[64:ff9b:1::8.8.8.8]", "[64:ff9b:2::169.254.169.254]"],
  ...["[2002:808:808::1]", "[2001:db8::169.254.169.254]", "[::ffff:1:169.254.169.254]"],
  "[fec0::1]",
  "[fd00:ec2::253]",
  "metadata.example",
];

/** The configuration keys that name a URL, with a good one. */
const urlKeys = keyList
  .filter(([, { key }]) => key.endsWith("_URL") && !key.includes("DATABASE"))
  .map(([, { key }]) => key);
const account = { CCX_SERVICE_LOG_CLIENT_ID: "me", CCX_SERVICE_LOG_CLIENT_SECRET: "s" };

function problem(env: Record<string, string>): string {
  try {
    loadConfig({ env: { ...account, ...env } });
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return error.message;
  }
  return "";
}

describe("a URL of the configuration", () => {
  it("is one of eight keys", () => assert.equal(urlKeys.length, 8, urlKeys.join()));

  it("never names a link-local or metadata address, by https or http, in any spelling", () => {
    for (const key of urlKeys)
      for (const host of forbidden)
        for (const url of [`https://${host}/x`, `http://${host}:80/x`])
          assert.match(
            problem({ [key]: url, CCX_CONTENT_ALLOW_HTTP: "true" }),
            new RegExp(`^${key} has to be `),
            url,
          );
    for (const host of permitted)
      assert.equal(problem({ CCX_SERVICE_LOG_URL: `https://${host}/x` }), "", host);
  });

  it("is https, unless it stays on this machine; http is allowed by name, and only to the content service", () => {
    // signed addresses of our own archives, which other services of the same network fetch: no secret goes there
    for (const key of urlKeys.filter((key) => key !== "CCX_ARCHIVE_BASE_URL")) {
      for (const url of [
        "http://example.com/",
        "http://127.0.0.1.example/",
        "http://1.0.0.0/",
        "http://[2000::2]/",
      ])
        assert.match(problem({ [key]: url }), new RegExp(`^${key} has to be an? http`), `${key}=${url}`);
      for (const host of ["localhost", "127.0.0.1:8000", "127.1", "0x7f000001", "[::1]:1"])
        assert.equal(problem({ [key]: `http://${host}/x` }), "", `${key}=${host}`);
      const allowed = problem({ [key]: "http://example.com/", CCX_CONTENT_ALLOW_HTTP: "true" });
      assert.equal(allowed === "", key === "CCX_CONTENT_URL", key);
    }
  });

  it("has no user name or password, and is a URL of the web", () => {
    for (const key of urlKeys)
      for (const url of [
        "https://u:hunter2@h/",
        "https://u@h/",
        "https:hunter2",
        "https:///h/",
        "https:\\\\h/",
        "ftp://h/",
        "//h/",
        "h",
      ]) {
        const said = problem({ [key]: url, CCX_CONTENT_ALLOW_HTTP: "true" });
        assert.match(said, new RegExp(`^${key} has to be `), url);
        if (url.includes("@")) assert.doesNotMatch(said, /hunter2/);
      }
  });

  it("keeps its query to itself", () => {
    assert.doesNotMatch(problem({ CCX_SERVICE_LOG_URL: "http://h/?key=hunter2" }), /hunter2/);
    assert.match(problem({ CCX_SERVICE_LOG_URL: "http://h/?key=hunter2" }), /but is "http:\/\/h\/\?\*\*\*"/);
  });

  it("is looked at again by what uses it", () => {
    for (const url of ["http://example.com/", "https://169.254.169.254/", "https://u:p@h/", "x"])
      assert.throws(() => checkedUrl(url, "Service Log"), ConfigurationError);
    for (const schema of [secureUrl, webUrl]) assert.equal(schema.safeParse("https://h/").success, true);
  });
});

describe("a link for people", () => {
  const links = ["CCX_CLUSTER_URL", "CCX_RULE_URL", "CCX_SERVICE_LOG_RULE_URL"];

  it("has a fixed host", () => {
    for (const key of links)
      for (const url of [
        ...[
          "https://{cluster_id}/x",
          "https://h{cluster_id}/x",
          "https://{cluster_id}.example/",
          "https://h:{cluster_id}/",
        ],
        ...[
          "https://{cluster_id}@h/",
          "https://h{cluster_id}",
          "https:///{cluster_id}",
          "https://\\{cluster_id}",
        ],
      ])
        assert.match(problem({ [key]: url }), new RegExp(`^${key} has to be `), url);
  });

  it("goes where it is configured to go, whatever a report calls its cluster and rules", () => {
    const hostile = [
      ...[
        "@evil.example",
        "//evil.example",
        "\\\\evil.example",
        "../../..",
        "..",
        ".",
        "?x#y",
        "#",
        ":80",
        "a/../../b",
      ],
      ...[
        "%2e%2e%2f",
        "\u202e",
        "\ud800",
        "\r\nHost: evil",
        "javascript:1",
        "{module}",
        "$&",
        "<script>",
        "](http://evil)",
        "'",
      ],
    ];
    const template = "https://console.example/a/{cluster_id}/b/{module}?first={module}|{error_key}#end";
    for (const one of hostile)
      for (const other of hostile) {
        const link = fillUrl(template, { cluster_id: one, module: other, error_key: one });
        const url = new URL(link);
        assert.equal(url.origin, "https://console.example", link);
        assert.equal(url.username + url.password, "", link);
        assert.match(url.pathname, /^\/a\/[^/]+\/b\/[^/]+$/, link);
        assert.deepEqual([...url.searchParams.keys()], ["first"], link);
        assert.equal(url.hash, "#end", link);
        assert.doesNotMatch(link, /[\s<>()"'\\]/, link);
      }
  });
});

describe("a connection", () => {
  /** What the name server says from now on. */
  const resolveTo = (t: TestContext, ...addresses: string[]) =>
    t.mock.method(
      dns,
      "lookup",
      (_name: string, options: { all?: boolean }, callback: (...args: unknown[]) => void) => {
        const found = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
        queueMicrotask(() =>
          options.all ? callback(null, found) : callback(null, found[0]?.address, found[0]?.family),
        );
      },
    );

  async function failure(url: string): Promise<unknown> {
    const agent = createAgent(limits);
    try {
      const error = await send(agent, new URL(url), { method: "GET", headers: {} }, limits).catch(
        (error) => error,
      );
      assert.ok(error instanceof NoAnswer, String(error));
      return error.cause;
    } finally {
      await agent.destroy();
    }
  }

  it("is not made to a name that leads to a forbidden address, by http or https", async (t) => {
    for (const address of [
      "169.254.169.254",
      "fe80::1",
      "fe80::1%eth0",
      "fd00:ec2::254",
      "100.100.100.200",
      "::ffff:169.254.1.1",
      "0.0.0.0",
      "::ffff:0:169.254.1.1",
      "64:ff9b:1::168.63.129.16%eth0",
      "64:ff9b::168.63.129.16%br-0.1",
      "fe80:79f5:f842:8580:7a64:1490:169.253.255.255%br-0.1",
    ]) {
      const lookup = resolveTo(t, "127.0.0.1", address);
      for (const protocol of ["http", "https"])
        assert.ok((await failure(`${protocol}://rebound.example:1/`)) instanceof ForbiddenAddress, address);
      assert.equal(lookup.mock.callCount(), 2);
      lookup.mock.restore();
    }
  });

  it("is not made to a forbidden address itself", async () => {
    for (const host of forbidden)
      assert.ok((await failure(`http://${host}/`)) instanceof ForbiddenAddress, host);
  });

  it("is made to any other name, and a name without an address is no crash", async (t) => {
    const server = createServer((_request, response) => response.end("here"));
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    resolveTo(t, "127.0.0.1");
    const agent = createAgent(limits);
    const url = new URL(`http://receiver.example:${port}/`);
    const answer = await send(agent, url, { method: "GET", headers: {} }, limits);
    assert.equal(String(answer.body), "here");
    await agent.close();
    server.closeAllConnections();
    await server[Symbol.asyncDispose]();
    resolveTo(t);
    assert.match(String(await failure("http://nowhere.example/")), /nowhere\.example has no address/);
  });

  it("knows a forbidden host in capitals, in brackets and with a dot at its end", () => {
    for (const host of ["Metadata.Google.Internal", "metadata.google.internal.", "[FE80::1]", "169.254.1.1"])
      assert.ok(isForbiddenHost(host), host);
    assert.equal(urlProblem("https://metadata.google.internal.example/"), undefined);
  });
});

it("no redirect is followed, to wherever it leads: Service Log, token server, content service", async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    request.resume();
    const token = JSON.stringify({ access_token: "t", expires_in: 900 });
    if (request.url === "/token") response.end(token);
    else
      response
        .writeHead(307, { location: request.url === "/away" ? "http://169.254.169.254/" : "/followed" })
        .end();
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const account = { ...limits, clientId: "c", clientSecret: "s" };
  const refused = new AccessTokenSource({ ...account, tokenUrl: `${at}/moved-token` });
  const tokens = new AccessTokenSource({ ...account, tokenUrl: `${at}/token` });
  const client = new ServiceLogClient({ ...limits, url: `${at}/logs`, tokens });
  try {
    await assert.rejects(refused.get(), /gave no token: HTTP 307/);
    await assert.rejects(client.post({}), /answered HTTP 307/);
    await assert.rejects(client.search("id"), /answered HTTP 307/);
    for (const path of ["/content", "/away"])
      await assert.rejects(
        fetchContent({ url: `${at}${path}`, timeoutMs: 5_000 }),
        /a redirect, which is not followed/,
      );
    assert.deepEqual(
      asked.map((url) => url.replace(/\?.*/, "")),
      ["/moved-token", "/token", "/logs", "/logs", "/content", "/away"],
    );
  } finally {
    await Promise.all([refused.close(), tokens.close(), client.close()]);
    await server[Symbol.asyncDispose]();
  }
});

describe("a proxy of the environment", () => {
  /** A proxy that notes whom it is to connect to, and connects everybody to `port` of this machine. */
  const startProxy = async (t: TestContext, port: number) => {
    const asked: string[] = [];
    const proxy = createServer((request, response) => {
      asked.push(String(request.url));
      response.end("by the proxy");
    });
    proxy.on("connect", (request, socket, head) => {
      asked.push(String(request.url));
      const upstream = connect(port, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        upstream.write(head);
        socket.pipe(upstream).pipe(socket);
      });
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    t.after(() => proxy.close());
    return { asked, url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` };
  };
  const get = { method: "GET", headers: {} } as const;

  it("is asked for other machines, unless NO_PROXY names them, and never for this one", async (t) => {
    const server = createServer((_request, response) => response.end("here"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const { asked, url } = await startProxy(t, port);
    for (const names of [{ HTTP_PROXY: url }, { http_proxy: url, NO_PROXY: "none.test" }]) {
      const agent = createAgent(limits, names);
      t.after(() => agent.close());
      assert.equal((await send(agent, new URL("http://content.test/x"), get, limits)).status, 200);
      assert.match(asked.pop() ?? "", /content\.test/);
      await send(agent, new URL(`http://127.0.0.1:${port}/`), get, limits);
      assert.deepEqual(asked, []);
    }
    const direct = createAgent(limits, { HTTP_PROXY: url, no_proxy: "content.test" });
    t.after(() => direct.close());
    await assert.rejects(send(direct, new URL("http://content.test/"), get, limits), NoAnswer);
    assert.deepEqual(asked, []);
  });

  it("is refused where it is no URL, or at a forbidden address", () => {
    for (const proxy of ["proxy:3128", "socks5://h", "nonsense"])
      assert.throws(() => createAgent(limits, { HTTPS_PROXY: proxy }), ConfigurationError, proxy);
    assert.throws(() => createAgent(limits, { HTTPS_PROXY: "http://169.254.169.254" }), ForbiddenAddress);
  });
});
