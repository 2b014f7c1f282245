import { signal } from "@preact/signals";
import { call, describe, json, openSocket } from "../api.ts";
import { isOver, reachable } from "../connection.ts";

export interface Entry {
  readonly name: string;
  readonly path: string;
  readonly type: string;
  readonly size: number;
  readonly is_directory: boolean;
  readonly modified: string;
}

type Listing =
  | { readonly kind: "loading" }
  | { readonly kind: "list"; readonly entries: readonly Entry[]; readonly isTruncated: boolean }
  | { readonly kind: "error"; readonly text: string };

interface Change {
  readonly type: string;
  readonly path?: string;
  readonly new_path?: string;
}

const MOST_ENTRIES = 2000;
/** Changes come in bursts; lists are asked for once a burst. */
const SETTLE_MS = 150;

export function parentOf(path: string): string {
  return path.replace(/\/[^/]+\/?$/, "") || "/";
}

export function join(directory: string, name: string): string {
  return `${directory === "/" ? "" : directory}/${name}`;
}

/** The directories that are open in the tree, kept as they are on the disk. */
export class Entries {
  readonly lists = signal<ReadonlyMap<string, Listing>>(new Map());
  /** Whether changes are told. */
  readonly isLive = signal(false);
  readonly #gone = new AbortController();
  readonly #stale = new Set<string>();
  readonly #listeners = new Set<(path: string) => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly root: string) {
    void this.open(root);
    void this.#watch();
  }

  /** Calls for each path that changes. */
  onChange(listener: (path: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async open(path: string): Promise<void> {
    if (!this.lists.value.has(path)) this.#set(path, { kind: "loading" });
    try {
      const query = { path, limit: MOST_ENTRIES };
      const { files, truncated } = await json<{ files: Entry[]; truncated: boolean }>("files/list", {
        query,
      });
      const entries = files.toSorted(
        (one, other) =>
          Number(other.is_directory) - Number(one.is_directory) || one.name.localeCompare(other.name),
      );
      this.#set(path, { kind: "list", entries, isTruncated: truncated });
    } catch (error) {
      this.#set(path, { kind: "error", text: describe(error) });
    }
  }

  fold(path: string): void {
    const lists = new Map(this.lists.value);
    for (const known of lists.keys()) if (known === path || known.startsWith(`${path}/`)) lists.delete(known);
    this.lists.value = lists;
  }

  refresh(): void {
    for (const path of this.lists.value.keys()) void this.open(path);
  }

  close(): void {
    this.#gone.abort();
    clearTimeout(this.#timer);
  }

  #set(path: string, listing: Listing): void {
    this.lists.value = new Map(this.lists.value).set(path, listing);
  }

  async #watch(): Promise<void> {
    const { signal: gone } = this.#gone;
    while (!gone.aborted) {
      await this.#watchOnce().catch(() => undefined);
      this.isLive.value = false;
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await reachable(gone);
      if (!isOver(gone)) this.refresh();
    }
  }

  async #watchOnce(): Promise<void> {
    const socket = await openSocket("files/watch");
    const stop = () => socket.close();
    this.#gone.signal.addEventListener("abort", stop, { once: true });
    const ignore = [".git/", "node_modules/"];
    socket.onopen = () => socket.send(JSON.stringify({ action: "watch", path: this.root, ignore }));
    socket.onmessage = ({ data }) => this.#take(JSON.parse(String(data)) as Change);
    await new Promise((resolve) => (socket.onclose = resolve));
    this.#gone.signal.removeEventListener("abort", stop);
  }

  #take({ type, path, new_path: to }: Change): void {
    if (type === "status") this.isLive.value = true;
    if (type === "overflow") this.refresh();
    for (const changed of [path, to]) {
      if (changed === undefined || type === "status" || type === "error") continue;
      this.#stale.add(parentOf(changed));
      for (const listener of this.#listeners) listener(changed);
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#reloadStale(), SETTLE_MS);
  }

  #reloadStale(): void {
    for (const path of this.#stale) if (this.lists.value.has(path)) void this.open(path);
    this.#stale.clear();
  }
}

/** By an address that is signed for this file, because a link sends no headers and a large file fits in no memory. */
export async function downloadAddress(path: string): Promise<string> {
  const { url } = await json<{ url: string }>("files/sign", {
    method: "POST",
    body: { path, expires_in: 60 },
  });
  return new URL(`files/signed${new URL(url).search}`, document.baseURI).href;
}

export async function remove(path: string): Promise<void> {
  await call("files/remove", { method: "DELETE", query: { path } });
}

export async function makeDirectory(path: string): Promise<void> {
  await call("files/mkdir", { method: "POST", body: { path } });
}
