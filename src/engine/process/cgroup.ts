import { closeSync, existsSync, openSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../error.ts";
import {
  childDirectories,
  findHierarchies,
  members,
  tryMakeDirectory,
  tryRemoveDirectory,
  tryWrite,
  type Hierarchy,
} from "./cgroup-files.ts";
import { CgroupEnclosure, killMembers, type Slot } from "./cgroup-enclosure.ts";
import type { Containment, ContainmentReport, Enclosure, RunLimits } from "./containment.ts";
import { readStat } from "./proc.ts";
import type { RunId } from "../run.ts";

const PREFIX = "sanderling-";
/**
 * Cgroups are made ahead and removed later, many at a time: making and removing takes the kernel's one cgroup
 * lock, which the next run would otherwise wait for (a tenth of what `echo hi` takes).
 */
const POOL_SIZE = 32;
const POOL_LOW = 4;
const REMOVE_AT_ONCE = 32;
const REMOVE_AFTER_MS = 200;
const WANTED = ["memory", "pids", "cpu"] as const;

/** A hierarchy in which the daemon has made a directory for its runs. */
export interface Place {
  readonly version: 1 | 2;
  readonly controllers: ReadonlySet<string>;
  readonly base: string;
  /** The open `tasks` file of the daemon's own cgroup (version 1), through which a thread comes back. */
  readonly home: number | undefined;
}

/**
 * Cgroups for runs, or undefined where the machine offers none that may be written.
 * @param options.endStale Whether what a daemon that was killed left running ends here: nobody could ask about
 * it or stop it any more.
 */
export function openCgroupContainment({ endStale }: { readonly endStale: boolean }): Containment | undefined {
  const hierarchies = findHierarchies().filter(
    ({ version, controllers }) => version === 2 || WANTED.some((name) => controllers.has(name)),
  );
  if (endStale) for (const { own } of hierarchies) endWhatIsStale(own);
  const name = ownName(hierarchies);
  const places: Place[] = [];
  for (const hierarchy of hierarchies) {
    const place = claim(hierarchy, name);
    if (place) places.push(place);
  }
  // Version 2 first: a process can be started inside it, and one write ends all of it.
  places.sort(
    (a, b) =>
      b.version - a.version || Number(b.controllers.has("memory")) - Number(a.controllers.has("memory")),
  );
  // A place that only some runs have keeps nobody together.
  if (places.some(isForEveryRun)) return new CgroupContainment(places);
  places.forEach(leave);
  return undefined;
}

/** A version 1 cpu cgroup costs scheduling weight on every switch, so it is made only for a run that asks. */
function isForEveryRun({ version, controllers }: Place): boolean {
  return version === 2 || controllers.has("memory") || controllers.has("pids");
}

let opened = 0;

/**
 * Names this process for ever, because a pid alone comes again: in a container the daemon's always does. And it is
 * nowhere taken by another engine of this process, of which something may live on.
 */
function ownName(hierarchies: readonly Hierarchy[]): string {
  const prefix = `${PREFIX}${process.pid}-${readStat(process.pid)?.startTime ?? 0}`;
  for (;;) {
    const name = `${prefix}-${++opened}`;
    if (!hierarchies.some(({ own }) => existsSync(join(own, name)))) return name;
  }
}

function claim(hierarchy: Hierarchy, name: string): Place | undefined {
  const base = join(hierarchy.own, name);
  if (!tryMakeDirectory(base)) return undefined;
  let controllers = hierarchy.controllers;
  if (hierarchy.version === 2) controllers = delegate(hierarchy, base);
  const probe = join(base, "probe");
  const usable = tryMakeDirectory(probe) && tryRemoveDirectory(probe);
  const { version, own } = hierarchy;
  if (usable)
    return {
      version,
      controllers,
      base,
      home: version === 1 ? openSync(join(own, "tasks"), "r+") : undefined,
    };
  tryRemoveDirectory(base);
  return undefined;
}

/** Removes what is empty of it. */
function leave({ base, home }: Place): void {
  for (const directory of childDirectories(base)) tryRemoveDirectory(directory);
  tryRemoveDirectory(base);
  if (home !== undefined) closeSync(home);
}

/** Hands controllers down to the runs (cgroups(7): a cgroup that does so must hold no processes itself). */
function delegate(hierarchy: Hierarchy, base: string): ReadonlySet<string> {
  const enabled = new Set<string>();
  for (const name of WANTED.filter((wanted) => hierarchy.controllers.has(wanted))) {
    const control = join(hierarchy.own, "cgroup.subtree_control");
    const passed = tryWrite(control, `+${name}`) || (vacate(hierarchy.own) && tryWrite(control, `+${name}`));
    if (passed && tryWrite(join(base, "cgroup.subtree_control"), `+${name}`)) enabled.add(name);
  }
  return enabled;
}

/** Moves the daemon, and in a container everything beside it, into a leaf of its own. */
function vacate(own: string): boolean {
  const present = members(own);
  const alone = present.every((pid) => pid === process.pid);
  const container = present.includes(1);
  if (!alone && !container) return false;
  const leaf = join(own, `${PREFIX}daemon`);
  tryMakeDirectory(leaf);
  return present.map((pid) => tryWrite(join(leaf, "cgroup.procs"), String(pid))).every(Boolean);
}

function endWhatIsStale(own: string): void {
  for (const directory of childDirectories(own)) {
    const [, pid, startTime] = new RegExp(`/${PREFIX}(\\d+)-(\\d+)-\\d+$`).exec(directory) ?? [];
    if (pid === undefined || readStat(Number(pid))?.startTime === Number(startTime)) continue;
    for (const run of childDirectories(directory)) {
      killMembers(run);
      tryRemoveDirectory(run);
    }
    tryRemoveDirectory(directory);
  }
}

class CgroupContainment implements Containment {
  readonly report: ContainmentReport;
  readonly #places: readonly Place[];
  readonly #pool: Slot[] = [];
  readonly #open = new Set<CgroupEnclosure>();
  #retired: CgroupEnclosure[] = [];
  #removal: Timer | undefined;
  #serial = 0;
  #refill: Promise<void> | undefined;
  #disposed = false;

  constructor(places: readonly Place[]) {
    this.#places = places;
    const has = (name: string) => places.some((place) => place.controllers.has(name));
    this.report = {
      kind: "cgroup",
      detail: places.map(describePlace).join(", "),
      enforces: { memory: has("memory"), cpus: has("cpu"), processes: has("pids") },
    };
    this.#refillSoon();
  }

  open(_id: RunId, limits: RunLimits): Enclosure {
    this.#refuseUnenforceable(limits);
    const slot = (limits.cpus === undefined ? this.#pool.pop() : undefined) ?? this.#makeSlot(limits);
    this.#refillSoon();
    const enclosure = new CgroupEnclosure(slot, limits, () => this.#retire(enclosure));
    this.#open.add(enclosure);
    return enclosure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await this.#refill;
    await Promise.all([...this.#open].map((enclosure) => enclosure.kill()));
    clearTimeout(this.#removal);
    this.#places.forEach(leave);
  }

  #refuseUnenforceable(limits: RunLimits): void {
    const { enforces } = this.report;
    const refuse = (name: string, controller: string) => {
      throw new EngineError(
        "unsupported",
        `Cannot limit ${name}: this machine offers no writable ${controller} cgroup controller (see: sanderling doctor)`,
      );
    };
    if (limits.memoryBytes !== undefined && !enforces.memory) refuse("memory", "memory");
    if (limits.cpus !== undefined && !enforces.cpus) refuse("cpus", "cpu");
    if (limits.processes !== undefined && !enforces.processes) refuse("processes", "pids");
  }

  #placesFor(limits: RunLimits): readonly Place[] {
    return this.#places.filter((place) => isForEveryRun(place) || limits.cpus !== undefined);
  }

  #nextSlot(limits: RunLimits): Slot {
    const name = `run-${++this.#serial}`;
    return this.#placesFor(limits).map((place) => ({ ...place, directory: join(place.base, name) }));
  }

  #makeSlot(limits: RunLimits): Slot {
    const slot = this.#nextSlot(limits);
    for (const { directory } of slot) {
      if (!tryMakeDirectory(directory))
        throw new EngineError("unavailable", `Cannot create the cgroup ${directory}`);
    }
    return slot;
  }

  #retire(enclosure: CgroupEnclosure): void {
    this.#retired.push(enclosure);
    if (this.#retired.length >= REMOVE_AT_ONCE) this.#removeRetired();
    else this.#removal ??= setTimeout(() => this.#removeRetired(), REMOVE_AFTER_MS).unref();
  }

  #removeRetired(): void {
    clearTimeout(this.#removal);
    this.#removal = undefined;
    for (const enclosure of this.#retired.splice(0)) {
      void enclosure.remove().then((isGone) => isGone && this.#open.delete(enclosure));
    }
  }

  #refillSoon(): void {
    if (this.#pool.length > POOL_LOW) return;
    this.#refill ??= this.#fillPool().finally(() => {
      this.#refill = undefined;
    });
  }

  async #fillPool(): Promise<void> {
    while (this.#pool.length < POOL_SIZE && !this.#disposed) {
      const slot = this.#nextSlot({});
      try {
        await Promise.all(slot.map(({ directory }) => mkdir(directory)));
      } catch {
        return; // The next run makes its own and says what is wrong.
      }
      this.#pool.push(slot);
    }
  }
}

function describePlace(place: Place): string {
  const names = [...place.controllers].filter((name) => (WANTED as readonly string[]).includes(name));
  if (place.version === 2) names.unshift("kill", "cpu time");
  return `cgroup v${place.version} (${names.join(", ")})`;
}
