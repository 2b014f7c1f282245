import { networkInterfaces } from "node:os";
import { readText } from "../process/cgroup-files.ts";

/** Bytes since the interfaces came up, the loopback left out. */
export interface NetworkTotals {
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

export interface NetworkInterface {
  readonly name: string;
  /** IPv4 where there is one. */
  readonly address: string;
  readonly mac: string;
}

/** Of the network namespace that the daemon is in. */
export function readNetwork(): NetworkTotals {
  const totals = { receivedBytes: 0, sentBytes: 0 };
  for (const line of readText("/proc/self/net/dev").split("\n")) {
    const [, name, rest] = /^\s*([^:\s]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined || name === "lo") continue;
    const fields = rest.split(/\s+/).map(Number);
    totals.receivedBytes += fields[0] ?? 0;
    totals.sentBytes += fields[8] ?? 0;
  }
  return totals;
}

export function listInterfaces(): NetworkInterface[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) => {
    const first = addresses.find(({ family }) => family === "IPv4") ?? addresses[0];
    return first === undefined ? [] : [{ name, address: first.address, mac: first.mac }];
  });
}
