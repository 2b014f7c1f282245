/** States by their bit (AT-SPI 2, AtspiStateType). */
// prettier-ignore
const STATES = [
  "invalid", "active", "armed", "busy", "checked", "collapsed", "defunct", "editable", "enabled", "expandable",
  "expanded", "focusable", "focused", "has_tooltip", "horizontal", "iconified", "modal", "multi_line",
  "multiselectable", "opaque", "pressed", "resizable", "selectable", "selected", "sensitive", "showing",
  "single_line", "stale", "transient", "vertical", "visible", "manages_descendants", "indeterminate", "required",
  "truncated", "animated", "invalid_entry", "supports_autocompletion", "selectable_text", "is_default", "visited",
  "checkable", "has_popup", "read_only",
] as const;
export type StateName = (typeof STATES)[number];

/** @param words The 64 bits, the low half first. */
export function stateNames([low = 0, high = 0]: readonly number[]): StateName[] {
  return STATES.filter((_, bit) => (((bit < 32 ? low : high) >>> (bit % 32)) & 1) === 1);
}

/** Roles of what people click, choose or fill in. */
const ACTIONABLE = new Set(
  // prettier-ignore
  [
    "push button", "button", "toggle button", "check box", "radio button", "combo box", "entry", "password text",
    "text", "spin button", "slider", "link", "menu", "menu item", "check menu item", "radio menu item", "page tab",
    "list item", "tree item", "table cell", "icon", "switch", "push button menu", "terminal",
  ],
);
const NEEDS_EDITING = new Set(["text"]);

export function roleIsActionable(role: string): boolean {
  return ACTIONABLE.has(role);
}

/** Whether an element is there to be used now. */
export function isActionable(element: {
  readonly role: string;
  readonly states: readonly StateName[];
}): boolean {
  const { role, states } = element;
  const isUsable = states.includes("enabled") || states.includes("sensitive");
  if (!isUsable || !states.includes("showing") || !roleIsActionable(role)) return false;
  return !NEEDS_EDITING.has(role) || states.includes("editable");
}
