import dns from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";

/**
 * Where requests of ours may go, wherever a URL comes from: encrypted, unless it stays on this machine or
 * plain HTTP is allowed by name; with no credentials in it; never to addresses that only this machine's own
 * network or cloud answers.
 */

/** Link-local, this machine in disguise, and where clouds give out the credentials of a machine. */
const forbidden = {
  forbidden: [
    ...["0.0.0.0/8", "169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"],
    ...["fe80::/10", "fd00:ec2::254/128", "fd20:ce::254/128"],
  ].map((network) => ipaddr.parseCIDR(network)),
};

/**
 * IPv6 networks whose addresses stand for IPv4 addresses, and in which of their 16 bytes these may be:
 * IPv4-compatible, mapped, translated, NAT64 and its local networks (RFC 6052, by prefixes of 96 and of 64
 * bits; shorter ones leave zeros at the end, which makes it 0.0.0.0), 6to4.
 */
const embeddings = (
  [
    ["::/96", [12, 13, 14, 15]],
    ["::ffff:0:0/96", [12, 13, 14, 15]],
    ["::ffff:0:0:0/96", [12, 13, 14, 15]],
    ["64:ff9b::/96", [12, 13, 14, 15]],
    ["64:ff9b:1::/48", [12, 13, 14, 15], [9, 10, 11, 12]],
    ["2002::/16", [2, 3, 4, 5]],
  ] as [network: string, ...places: number[][]][]
).map(([network, ...places]) => ({ network: ipaddr.IPv6.parseCIDR(network), places }));

/** The IPv4 addresses that an IPv6 address may stand for. */
function embedded(address: ipaddr.IPv6): ipaddr.IPv4[] {
  if (address.range() === "loopback") return [];
  const bytes = address.toByteArray();
  return (
    embeddings
      .filter(({ network }) => address.match(network))
      .flatMap(({ places }) => places.map((place) => place.map((at) => bytes[at] ?? 0)))
      // zeros in the middle are the filling of a longer prefix
      .filter(([first], nth) => nth === 0 || first !== 0)
      .map((found) => new ipaddr.IPv4(found))
  );
}

function isForbidden(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (ipaddr.subnetMatch(address, forbidden, "permitted") === "forbidden") return true;
  return address instanceof ipaddr.IPv6 && embedded(address).some(isForbidden);
}

const forbiddenNames = new Set(["metadata.google.internal", "metadata.goog"]);

/**
 * Whether a host, a name or an address as URL.hostname writes it, is one that nothing of ours may talk to.
 */
export function isForbiddenHost(hostname: string): boolean {
  const host = hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/%.*|\.$/, ""); // the zone of an address, the root of a name
  // an address that cannot be looked at is refused
  return ipaddr.isValid(host) ? isForbidden(ipaddr.parse(host)) : isIP(host) > 0 || forbiddenNames.has(host);
}

/**
 * What is wrong with a URL that requests of ours are to go to; it completes the sentence "… has to be".
 * Undefined when nothing is. `plainHttp`: http:// is allowed for other machines, too.
 */
export function urlProblem(text: string, options: { plainHttp?: boolean } = {}): string | undefined {
  const url = /^https?:\/\/[^\s/\\]/i.test(text) ? URL.parse(text) : null;
  const isSecure = url?.protocol === "https:" || (url !== null && isLoopback(url.hostname));
  if (url === null || url.username || url.password || !(isSecure || options.plainHttp)) {
    return options.plainHttp
      ? "an http(s):// URL without user name and password"
      : "an https:// URL without user name and password (http:// only for localhost, 127.x.x.x or [::1])";
  }
  return isForbiddenHost(url.hostname)
    ? "the URL of another host: link-local and metadata addresses are refused"
    : undefined;
}

/** As URL.hostname writes it, which knows decimal, octal and hexadecimal spellings. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);
}

/** A name that leads, or a URL that goes, where nothing of ours may go. */
export class ForbiddenAddress extends Error {
  override name = "ForbiddenAddress";
  readonly code = "FORBIDDEN_ADDRESS";

  constructor(host: string) {
    super(`${host} is, or leads to, a link-local or metadata address`);
  }
}

/** Looks a name up for a connection, and refuses it when one of its addresses is forbidden. */
export const guardedLookup: LookupFunction = (hostname, options, callback) => {
  dns.lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const [first] = addresses ?? [];
    if (error || !first) callback(error ?? new Error(`${hostname} has no address`), "", 0);
    else if (addresses.some(({ address }) => isForbiddenHost(address)))
      callback(new ForbiddenAddress(hostname), "", 0);
    else if (options.all) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};
