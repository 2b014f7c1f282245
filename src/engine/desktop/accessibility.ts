import { EngineError } from "../error.ts";
import { Bus } from "./dbus/bus.ts";
import { isActionable, roleIsActionable, stateNames, type StateName } from "./accessibility-words.ts";
import type { Rectangle } from "./x11/core.ts";

/** What applications tell of their elements (AT-SPI 2). */

export interface Element {
  /** Names it for as long as it exists. */
  readonly id: string;
  readonly role: string;
  readonly name: string;
  readonly states: readonly StateName[];
  /** On the screen; undefined for what has no place there. */
  readonly bounds: Rectangle | undefined;
  readonly actions: readonly string[];
  /** What it holds, for fields of text. */
  readonly text: string | undefined;
  readonly children: readonly Element[];
}

export interface TreeOptions {
  /** Elements that are on no screen now, such as those of other tabs, too. */
  readonly withHidden: boolean;
  readonly mostElements: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Tree {
  readonly applications: readonly Element[];
  readonly count: number;
  /** Whether there is more than was asked for. */
  readonly isCut: boolean;
}

interface Reference {
  readonly destination: string;
  readonly path: string;
}

const ACCESSIBLE = "org.a11y.atspi.Accessible";
const COMPONENT = "org.a11y.atspi.Component";
const ACTION = "org.a11y.atspi.Action";
const TEXT = "org.a11y.atspi.Text";
const EDITABLE = "org.a11y.atspi.EditableText";
const PROPERTIES = "org.freedesktop.DBus.Properties";
const REGISTRY: Reference = {
  destination: "org.a11y.atspi.Registry",
  path: "/org/a11y/atspi/accessible/root",
};
const NOWHERE = "/org/a11y/atspi/null";
const SCREEN_COORDINATES = 0;
const DEEPEST = 64;
const LONGEST_TEXT = 10_000;
const MOST_ELEMENTS = 3000;

export class Accessibility implements Disposable {
  private constructor(
    readonly session: Bus,
    readonly bus: Bus,
  ) {}

  /** Starts the accessibility bus of a session, and tells applications that somebody listens. */
  static async open(sessionBus: string): Promise<Accessibility> {
    const session = await Bus.connect(sessionBus);
    try {
      const status = { destination: "org.a11y.Bus", path: "/org/a11y/bus" };
      const [address] = await session.call({ ...status, interface: "org.a11y.Bus", member: "GetAddress" });
      const path = /unix:path=([^,;]+)/.exec(String(address))?.[1];
      if (path === undefined) throw new EngineError("unavailable", `No way to reach ${String(address)}`);
      const enable = { ...status, interface: PROPERTIES, member: "Set", signature: "ssv" };
      await session.call({
        ...enable,
        args: ["org.a11y.Status", "IsEnabled", { signature: "b", value: true }],
      });
      return new Accessibility(session, await Bus.connect(path));
    } catch (error) {
      session[Symbol.dispose]();
      throw error;
    }
  }

  /** All applications with their elements. */
  async tree(options: TreeOptions): Promise<Tree> {
    const walk = new Walk(this.bus, options);
    const applications = await walk.children(REGISTRY, 0);
    return { applications, count: walk.count, isCut: walk.isCut };
  }

  /** The shown elements whose name, or text, has this in it; those that can be used come first. */
  async findAll(wanted: string, role?: string): Promise<Element[]> {
    const { applications } = await this.tree({ withHidden: false, mostElements: MOST_ELEMENTS });
    const target = plain(wanted);
    const found = [...flatten(applications)].filter(
      (element) =>
        element.bounds !== undefined &&
        (role === undefined || element.role === role) &&
        plain(element.name).includes(target),
    );
    const rank = (one: Element) =>
      (plain(one.name) === target ? 0 : 2) +
      (roleIsActionable(one.role) ? 0 : 1) +
      (one.children.length > 0 ? 4 : 0);
    return found.toSorted((a, b) => rank(a) - rank(b));
  }

  /** The best of `findAll`, with its place. */
  async findByName(text: string): Promise<{ name: string; bounds: Rectangle } | undefined> {
    const [best] = await this.findAll(text);
    return best?.bounds && { name: best.name, bounds: best.bounds };
  }

  /** The elements on the screen that can be used, from the top down. */
  async actionable(): Promise<Element[]> {
    const { applications } = await this.tree({ withHidden: false, mostElements: MOST_ELEMENTS });
    return [...flatten(applications)]
      .filter((element) => element.bounds && isActionable(element))
      .toSorted((a, b) => (a.bounds?.y ?? 0) - (b.bounds?.y ?? 0) || (a.bounds?.x ?? 0) - (b.bounds?.x ?? 0));
  }

  /**
   * Does one of an element's own actions, without the pointer.
   * @param name Absent: its first.
   * @throws EngineError `not_found` when the element has gone or has no such action.
   */
  async invoke(id: string, name: string | undefined): Promise<string> {
    const at = referenceOf(id);
    const actions = await this.#actions(at);
    const index =
      name === undefined ? 0 : actions.findIndex((one) => one.toLowerCase() === name.toLowerCase());
    const chosen = actions[index];
    if (chosen === undefined) {
      const known = actions.length === 0 ? "none" : actions.join(", ");
      throw new EngineError("not_found", `Element ${id} has no action ${name ?? "at all"}; it has ${known}`);
    }
    const [isDone] = await this.bus.call({
      ...{ ...at, interface: ACTION, member: "DoAction" },
      ...{ signature: "i", args: [index] },
    });
    if (isDone === true) return chosen;
    throw new EngineError("conflict", `Element ${id} did not do ${chosen}`);
  }

  /** Replaces the text of a field. @throws EngineError `not_found` or `conflict` when it takes none. */
  async setText(id: string, text: string): Promise<void> {
    const [isDone] = await this.bus.call({
      ...{ ...referenceOf(id), interface: EDITABLE, member: "SetTextContents" },
      ...{ signature: "s", args: [text] },
    });
    if (isDone !== true) throw new EngineError("conflict", `Element ${id} did not take the text`);
  }

  [Symbol.dispose](): void {
    this.bus[Symbol.dispose]();
    this.session[Symbol.dispose]();
  }

  async #actions(at: Reference): Promise<string[]> {
    const [actions] = await this.bus.call({ ...at, interface: ACTION, member: "GetActions" });
    // Safe: the interface gives name, description and keys of each.
    return (actions as [string, string, string][]).map(([name]) => name);
  }
}

/** One way through the tree, with a bound on what it asks. */
class Walk {
  count = 0;
  isCut = false;

  constructor(
    readonly bus: Bus,
    readonly options: TreeOptions,
  ) {}

  async children(at: Reference, depth: number): Promise<Element[]> {
    const [references] = await this.#ask(at, ACCESSIBLE, "GetChildren", [[]]);
    // Safe: the interface gives a list of names and paths.
    const children = (references as [string, string][])
      .map(([destination, path]) => ({ destination, path }))
      .filter(({ path }) => path !== NOWHERE);
    const elements = await Promise.all(children.map((child) => this.#element(child, depth + 1)));
    return elements.filter((element) => element !== undefined);
  }

  async #element(at: Reference, depth: number): Promise<Element | undefined> {
    if (this.options.signal?.aborted === true) return undefined;
    if (depth > DEEPEST || this.count >= this.options.mostElements) {
      this.isCut = true;
      return undefined;
    }
    this.count++;
    const [[role], [bits], [interfaces], name] = await Promise.all([
      this.#ask(at, ACCESSIBLE, "GetRoleName", [""]),
      this.#ask(at, ACCESSIBLE, "GetState", [[]]),
      this.#ask(at, ACCESSIBLE, "GetInterfaces", [[]]),
      this.#name(at),
    ]);
    // Safe: the interface gives lists of numbers and of names.
    const states = stateNames(bits as number[]);
    const has = new Set(interfaces as string[]);
    const isApplication = depth === 1;
    if (!isApplication && !this.options.withHidden && !states.includes("showing")) return undefined;
    const [bounds, actions, text, children] = await Promise.all([
      has.has(COMPONENT) ? this.#bounds(at) : undefined,
      has.has(ACTION) ? this.#actions(at) : [],
      has.has(TEXT) && (has.has(EDITABLE) || states.includes("editable")) ? this.#text(at) : undefined,
      this.children(at, depth),
    ]);
    return {
      id: at.destination + at.path,
      role: String(role),
      name,
      states,
      bounds,
      actions,
      text,
      children,
    };
  }

  async #name(at: Reference): Promise<string> {
    const args = [ACCESSIBLE, "Name"];
    const asked = this.bus.call({ ...at, interface: PROPERTIES, member: "Get", signature: "ss", args });
    const [name] = await asked.catch(() => [""]);
    return String(name);
  }

  async #bounds(at: Reference): Promise<Rectangle | undefined> {
    const asked = { ...at, interface: COMPONENT, member: "GetExtents", signature: "u" };
    const [extents] = await this.bus.call({ ...asked, args: [SCREEN_COORDINATES] }).catch(() => [[]]);
    // Safe: the interface gives four numbers.
    const [x = 0, y = 0, width = 0, height = 0] = extents as number[];
    return width > 0 && height > 0 ? { x, y, width, height } : undefined;
  }

  async #actions(at: Reference): Promise<string[]> {
    const [actions] = await this.#ask(at, ACTION, "GetActions", [[]]);
    // Safe: the interface gives name, description and keys of each.
    return (actions as [string, string, string][]).map(([name]) => name);
  }

  async #text(at: Reference): Promise<string> {
    const asked = { ...at, interface: TEXT, member: "GetText", signature: "ii" };
    const [text] = await this.bus.call({ ...asked, args: [0, LONGEST_TEXT] }).catch(() => [""]);
    return String(text);
  }

  /** What goes away while it is asked about has nothing to tell. */
  async #ask(at: Reference, from: string, member: string, otherwise: readonly unknown[]) {
    const asked = this.bus.call({ ...at, interface: from, member });
    const values = await asked.catch(() => otherwise);
    return values.length === 0 ? otherwise : values;
  }
}

export function* flatten(elements: readonly Element[]): Generator<Element> {
  for (const element of elements) {
    yield element;
    yield* flatten(element.children);
  }
}

/** @throws EngineError `invalid` for what is no id of an element. */
function referenceOf(id: string): Reference {
  const [, destination, path] = /^(:[\d.]+)(\/[\w/]+)$/.exec(id) ?? [];
  if (destination !== undefined && path !== undefined) return { destination, path };
  throw new EngineError("invalid", `Not the id of an element: ${JSON.stringify(id)}`);
}

function plain(text: string): string {
  return text.toLowerCase().replace(/\s+/g, " ").trim();
}
