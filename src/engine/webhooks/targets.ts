import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { EngineError } from "../error.ts";

/** Kinds of addresses; a setting says which of them may be called. */
export const TARGET_KINDS = ["public", "private", "loopback", "link-local", "metadata"] as const;
export type TargetKind = (typeof TARGET_KINDS)[number];

/** What is called unless somebody says otherwise: not the services that hand a machine its credentials. */
export const DEFAULT_TARGETS: readonly TargetKind[] = ["public", "private", "loopback"];

export interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

type Kind = TargetKind | "unusable";

/** In this order, because cloud providers put their metadata service inside the other ranges. */
const RANGES: readonly (readonly [Kind, readonly string[]])[] = [
  ["metadata", ["169.254.169.254/32", "169.254.170.2/32", "100.100.100.200/32", "192.0.0.192/32"]],
  ["metadata", ["168.63.129.16/32", "fd00:ec2::/32", "fd20:ce::254/128"]],
  ["unusable", ["0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8"]],
  ["loopback", ["127.0.0.0/8", "::1/128"]],
  ["link-local", ["169.254.0.0/16", "fe80::/10"]],
  ["private", ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10"]],
  ["private", ["192.0.0.0/24", "198.18.0.0/15"]],
];

const LISTS = RANGES.map(([kind, ranges]) => {
  const list = new BlockList();
  for (const range of ranges) {
    const [network = "", bits] = range.split("/");
    list.addSubnet(network, Number(bits), network.includes(":") ? "ipv6" : "ipv4");
  }
  return { kind, list };
});

/** What an address leads to; one of version 6 that stands for one of version 4 counts as that. */
export function kindOf(address: string): Kind {
  const inner = embedded(address);
  if (inner !== undefined) return kindOf(inner);
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  return LISTS.find(({ list }) => list.check(address, family))?.kind ?? "public";
}

/** Mapped (::ffff:0:0/96), translated (64:ff9b::/96) and 6to4 (2002::/16) addresses carry one of version 4. */
function embedded(address: string): string | undefined {
  if (isIP(address) !== 6) return undefined;
  // The parser of addresses in URLs writes every one in the same form.
  const groups = expand(new URL(`http://[${address.replace(/%.*$/, "")}]/`).hostname.slice(1, -1));
  const at = (index: number) => groups[index] ?? 0;
  const isZero = (from: number, to: number) => groups.slice(from, to).every((group) => group === 0);
  const dotted = (index: number) =>
    [at(index) >> 8, at(index) & 255, at(index + 1) >> 8, at(index + 1) & 255].join(".");
  if (at(0) === 0x2002) return dotted(1);
  if (isZero(0, 5) && at(5) === 0xffff) return dotted(6);
  if (at(0) === 0x64 && at(1) === 0xff9b && isZero(2, 6)) return dotted(6);
  return isZero(0, 6) && at(6) !== 0 ? dotted(6) : undefined;
}

function expand(address: string): number[] {
  const [head = "", tail] = address.split("::");
  const parse = (part: string) => (part === "" ? [] : part.split(":").map((group) => parseInt(group, 16)));
  const [before, after] = [parse(head), parse(tail ?? "")];
  return tail === undefined
    ? before
    : [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}

/**
 * The addresses of a URL's host that may be called. Whoever connects must connect to one of these and not look
 * the name up again, or the answer could be another one by then.
 * @throws EngineError `invalid` when it has addresses and none may be called; the resolver's error when it has none.
 */
export async function allowedAddresses(url: URL, allowed: readonly TargetKind[]): Promise<Address[]> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const family = isIP(host);
  const found = family === 0 ? await lookup(host, { all: true }) : [{ address: host, family }];
  const usable = found.filter(({ address }) => isAllowed(kindOf(address), allowed));
  if (usable.length > 0)
    return usable.map(({ address, family: version }) => ({ address, family: version === 6 ? 6 : 4 }));
  const kinds = [...new Set(found.map(({ address }) => kindOf(address)))].join(", ");
  throw new EngineError(
    "invalid",
    `Not allowed to call ${host}: its address is ${kinds} (webhook targets: ${allowed.join(", ")})`,
  );
}

function isAllowed(kind: Kind, allowed: readonly TargetKind[]): boolean {
  return kind !== "unusable" && allowed.includes(kind);
}
