import { EngineError } from "../error.ts";
import type { XConnection } from "./x11/connection.ts";
import {
  atom,
  atomName,
  EVENT,
  EVENT_MASK,
  getGeometry,
  getNumbers,
  getOutline,
  getText,
  isViewable,
  nextEvent,
  selectEvents,
  sendToRoot,
  type Rectangle,
} from "./x11/core.ts";

/** The windows of applications, by the protocol of window managers (EWMH 1.5). */

/** The rectangle is the one on the screen, with the frame; `content` is what the application draws. */
export interface WindowFacts extends Rectangle {
  readonly id: number;
  readonly content: Rectangle;
  readonly title: string;
  /** The application's name for this kind of window, for example "XTerm". */
  readonly windowClass: string;
  readonly pid: number | undefined;
  readonly desktop: number | undefined;
  readonly isFocused: boolean;
  readonly isMinimized: boolean;
  readonly isMaximized: boolean;
}

/** Names a window among all that ever were: the server gives the ids of windows that have gone again. */
export function windowKey({ id, pid }: Pick<WindowFacts, "id" | "pid">): string {
  return `${id} of ${pid ?? "nobody"}`;
}

/** How long a window manager and an application get to do what they were asked. */
const EFFECT_MS = 3000;
const FROM_PAGER = 2;
const ICONIC = 3;
const FROM_PAGER_BIT = 1 << 13;
const STATE = { remove: 0, add: 1 } as const;
/** The place given is that of the frame's corner. */
const NORTH_WEST_GRAVITY = 1;
const MOVERESIZE = { position: 3 << 8, size: 12 << 8 } as const;
const ALL_DESKTOPS = 0xffffffff;

export class Windows {
  constructor(readonly x: XConnection) {
    selectEvents(x, x.facts.root, EVENT_MASK.property | EVENT_MASK.substructure);
  }

  /** Those of applications, the oldest first. */
  async list(): Promise<WindowFacts[]> {
    const [ids, active] = await Promise.all([this.#ids(), this.active()]);
    const told = await Promise.allSettled(ids.map((id) => this.#describe(id, active)));
    // What closes while it is described is no longer there.
    return told.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  }

  /** @throws EngineError `not_found`. */
  async get(id: number): Promise<WindowFacts> {
    await this.#require(id);
    return this.#describe(id, await this.active());
  }

  /** The window that keys go to. */
  async active(): Promise<number | undefined> {
    const [id = 0] = await getNumbers(this.x, this.x.facts.root, "_NET_ACTIVE_WINDOW");
    return id === 0 ? undefined : id;
  }

  /** Also raises it and brings it back when it is minimised. @throws EngineError `not_found`, `conflict`. */
  async focus(id: number): Promise<void> {
    await this.#require(id);
    await this.#ask(id, "_NET_ACTIVE_WINDOW", [FROM_PAGER, 0, 0], "focused", async () => {
      return (await this.active()) === id;
    });
  }

  /** Asks the application, which may ask its user. @returns Whether it has gone. @throws EngineError `not_found`. */
  async close(id: number): Promise<boolean> {
    await this.#require(id);
    await sendToRoot(this.x, id, "_NET_CLOSE_WINDOW", [0, FROM_PAGER]);
    return this.#until(async () => !(await this.#ids()).includes(id));
  }

  /** @throws EngineError `not_found`, `conflict`. */
  async minimize(id: number): Promise<void> {
    await this.#require(id);
    await this.#ask(id, "WM_CHANGE_STATE", [ICONIC], "minimised", async () => {
      return (await this.#states(id)).includes("_NET_WM_STATE_HIDDEN");
    });
  }

  /** @throws EngineError `not_found`, `conflict`. */
  async maximize(id: number, wanted: "maximized" | "restored"): Promise<void> {
    const before = await this.get(id);
    if (before.isMaximized === (wanted === "maximized")) return;
    const [across, down] = await Promise.all([
      atom(this.x, "_NET_WM_STATE_MAXIMIZED_HORZ"),
      atom(this.x, "_NET_WM_STATE_MAXIMIZED_VERT"),
    ]);
    const change = wanted === "maximized" ? STATE.add : STATE.remove;
    await this.#ask(id, "_NET_WM_STATE", [change, across, down, FROM_PAGER], wanted, async () => {
      const now = await this.get(id);
      return now.isMaximized === (wanted === "maximized") && hasNewSize(before, now);
    });
  }

  /** Moves it, gives it another size, or both. @throws EngineError `not_found`, `conflict`. */
  async place(id: number, wanted: Partial<Rectangle>): Promise<WindowFacts> {
    const before = await this.get(id);
    const { x = before.x, y = before.y, width = before.width, height = before.height } = wanted;
    const isMoved = x !== before.x || y !== before.y;
    const isResized = width !== before.width || height !== before.height;
    if (!isMoved && !isResized) return before;
    const flags = (isMoved ? MOVERESIZE.position : 0) | (isResized ? MOVERESIZE.size : 0);
    await sendToRoot(this.x, id, "_NET_MOVERESIZE_WINDOW", [
      NORTH_WEST_GRAVITY | flags | FROM_PAGER_BIT,
      x,
      y,
      Math.max(1, width - (before.width - before.content.width)),
      Math.max(1, height - (before.height - before.content.height)),
    ]);
    // A terminal takes whole characters only, so what comes of it is told and not demanded.
    let now = before;
    await this.#until(async () => {
      now = await this.get(id);
      const isPlaced = !isMoved || (now.x === x && now.y === y);
      return isPlaced && (!isResized || hasNewSize(before, now));
    });
    return now;
  }

  /** Waits for the first window that `wanted` takes. @returns undefined when none came in time. */
  async waitFor(
    wanted: (window: WindowFacts) => boolean,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<WindowFacts | undefined> {
    let found: WindowFacts | undefined;
    await this.#until(async () => {
      found = (await this.list()).find(wanted);
      return found !== undefined || signal?.aborted === true;
    }, timeoutMs);
    return found;
  }

  /** @throws EngineError `conflict` when the window manager does not do it in time. */
  async #ask(
    id: number,
    type: string,
    data: readonly number[],
    what: string,
    isDone: () => Promise<boolean>,
  ): Promise<void> {
    await sendToRoot(this.x, id, type, data);
    if (await this.#until(isDone)) return;
    throw new EngineError("conflict", `Window ${id} was not ${what} within ${EFFECT_MS / 1000} s`);
  }

  /** Looks whenever the window manager or a window tells of a change. */
  async #until(isDone: () => Promise<boolean>, timeoutMs = EFFECT_MS): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const left = deadline - performance.now();
      const changed = nextEvent(this.x, Math.max(0, Math.min(left, LONGEST_LOOK_MS)), (event) =>
        event.code >= EVENT.destroyNotify && event.code <= EVENT.propertyNotify ? true : undefined,
      );
      if (await isDone()) return true;
      if (left <= 0 || !this.x.isOpen) return false;
      await changed;
    }
  }

  async #ids(): Promise<number[]> {
    return getNumbers(this.x, this.x.facts.root, "_NET_CLIENT_LIST");
  }

  async #require(id: number): Promise<void> {
    if ((await this.#ids()).includes(id)) return;
    throw new EngineError("not_found", `There is no window ${id}; the list of windows has those there are`);
  }

  async #states(id: number): Promise<string[]> {
    const atoms = await getNumbers(this.x, id, "_NET_WM_STATE");
    return Promise.all(atoms.map((atom) => atomName(this.x, atom)));
  }

  async #describe(id: number, active: number | undefined): Promise<WindowFacts> {
    const { x } = this;
    const [content, outline, name, oldName, names, pids, desktops, states] = await Promise.all([
      getGeometry(x, id),
      getOutline(x, id),
      getText(x, id, "_NET_WM_NAME"),
      getText(x, id, "WM_NAME"),
      getText(x, id, "WM_CLASS"),
      getNumbers(x, id, "_NET_WM_PID"),
      getNumbers(x, id, "_NET_WM_DESKTOP"),
      this.#states(id),
    ]);
    const desktop = desktops[0];
    return {
      id,
      title: name === "" ? oldName : name,
      windowClass: names.split("\0").filter(Boolean).at(-1) ?? "",
      ...outline,
      content: { x: content.x, y: content.y, width: content.width, height: content.height },
      pid: pids[0],
      desktop: desktop === ALL_DESKTOPS ? -1 : desktop,
      isFocused: id === active,
      isMinimized: states.includes("_NET_WM_STATE_HIDDEN") && !(await isViewable(x, id)),
      isMaximized: isMaximized(states),
    };
  }
}

/** Changes of a window's own properties are told to nobody who did not ask, so it is looked at now and then. */
const LONGEST_LOOK_MS = 250;

function isMaximized(states: readonly string[]): boolean {
  return ["_NET_WM_STATE_MAXIMIZED_HORZ", "_NET_WM_STATE_MAXIMIZED_VERT"].every((one) =>
    states.includes(one),
  );
}

/** Frame and content are resized one after the other; in between the window has no size. */
function hasNewSize(before: WindowFacts, now: WindowFacts): boolean {
  const differs = (a: Rectangle, b: Rectangle) => a.width !== b.width || a.height !== b.height;
  return differs(before, now) && differs(before.content, now.content);
}
