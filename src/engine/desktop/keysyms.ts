import { EngineError } from "../error.ts";

/** Numbers of the X keyboard symbols (X11 protocol, appendix A) by the names that people and libraries use. */

/** Symbols above Latin-1 are their code point with this bit. */
const UNICODE = 0x01000000;

// prettier-ignore
const NAMED: Readonly<Record<string, number>> = {
  backspace: 0xff08, tab: 0xff09, linefeed: 0xff0a, clear: 0xff0b, return: 0xff0d, pause: 0xff13,
  scroll_lock: 0xff14, sys_req: 0xff15, escape: 0xff1b, delete: 0xffff, multi_key: 0xff20,
  home: 0xff50, left: 0xff51, up: 0xff52, right: 0xff53, down: 0xff54, page_up: 0xff55, page_down: 0xff56,
  end: 0xff57, select: 0xff60, print: 0xff61, execute: 0xff62, insert: 0xff63, undo: 0xff65, redo: 0xff66,
  menu: 0xff67, find: 0xff68, cancel: 0xff69, help: 0xff6a, break: 0xff6b, num_lock: 0xff7f,
  kp_space: 0xff80, kp_tab: 0xff89, kp_enter: 0xff8d, kp_home: 0xff95, kp_left: 0xff96, kp_up: 0xff97,
  kp_right: 0xff98, kp_down: 0xff99, kp_page_up: 0xff9a, kp_page_down: 0xff9b, kp_end: 0xff9c,
  kp_insert: 0xff9e, kp_delete: 0xff9f, kp_multiply: 0xffaa, kp_add: 0xffab, kp_subtract: 0xffad,
  kp_decimal: 0xffae, kp_divide: 0xffaf, kp_equal: 0xffbd,
  shift_l: 0xffe1, shift_r: 0xffe2, control_l: 0xffe3, control_r: 0xffe4, caps_lock: 0xffe5,
  meta_l: 0xffe7, meta_r: 0xffe8, alt_l: 0xffe9, alt_r: 0xffea, super_l: 0xffeb, super_r: 0xffec,
  hyper_l: 0xffed, hyper_r: 0xffee, iso_level3_shift: 0xfe03, iso_left_tab: 0xfe20,
  xf86audiomute: 0x1008ff12, xf86audiolowervolume: 0x1008ff11, xf86audioraisevolume: 0x1008ff13,
  xf86audioplay: 0x1008ff14, xf86audiostop: 0x1008ff15, xf86audioprev: 0x1008ff16, xf86audionext: 0x1008ff17,
  xf86back: 0x1008ff26, xf86forward: 0x1008ff27, xf86refresh: 0x1008ff29,
};

/** Other words for the same keys. */
// prettier-ignore
const ALIASES: Readonly<Record<string, string>> = {
  enter: "return", esc: "escape", del: "delete", ins: "insert", bksp: "backspace",
  pageup: "page_up", pgup: "page_up", prior: "page_up", pagedown: "page_down", pgdn: "page_down", next: "page_down",
  arrowleft: "left", arrowright: "right", arrowup: "up", arrowdown: "down",
  shift: "shift_l", ctrl: "control_l", control: "control_l", alt: "alt_l", option: "alt_l", altgr: "iso_level3_shift",
  meta: "super_l", super: "super_l", win: "super_l", windows: "super_l", cmd: "super_l", command: "super_l",
  capslock: "caps_lock", numlock: "num_lock", scrolllock: "scroll_lock", printscreen: "print", contextmenu: "menu",
  sysrq: "sys_req", kp_prior: "kp_page_up", kp_next: "kp_page_down", numpadenter: "kp_enter",
};

/** Names of printable characters that people write out. */
// prettier-ignore
const CHARACTERS: Readonly<Record<string, string>> = {
  space: " ", plus: "+", minus: "-", comma: ",", period: ".", dot: ".", slash: "/", backslash: "\\", equal: "=",
  semicolon: ";", colon: ":", apostrophe: "'", quotedbl: '"', grave: "`", asciitilde: "~", asciicircum: "^",
  bracketleft: "[", bracketright: "]", braceleft: "{", braceright: "}", parenleft: "(", parenright: ")",
  less: "<", greater: ">", bar: "|", question: "?", exclam: "!", at: "@", numbersign: "#", dollar: "$",
  percent: "%", ampersand: "&", asterisk: "*", underscore: "_",
};

export const KEY = {
  capsLock: 0xffe5,
  shift: 0xffe1,
} as const;

const F1 = 0xffbe;
const KP_0 = 0xffb0;

/** The symbol of one character; for those that are keys of their own (new line, tab) that key. */
export function keysymOfCharacter(character: string): number {
  const point = character.codePointAt(0) ?? 0;
  if (character === "\n" || character === "\r") return 0xff0d;
  if (character === "\t") return 0xff09;
  if (character === "\b") return 0xff08;
  if (character === "\x1b") return 0xff1b;
  if (point < 0x20 || (point >= 0x7f && point < 0xa0) || (point >= 0xd800 && point < 0xe000)) {
    const code = `U+${point.toString(16).toUpperCase().padStart(4, "0")}`;
    throw new EngineError("invalid", `Cannot type ${code}: it is no character that a key could stand for`);
  }
  return point < 0x100 ? point : UNICODE | point;
}

/**
 * The symbol of a key by name ("Return", "ctrl", "F5", "page_up"), or of a single character.
 * @throws EngineError `invalid` when there is no such key.
 */
export function keysymNamed(name: string): number {
  if (Array.from(name).length === 1) return keysymOfCharacter(name);
  const word = name.toLowerCase();
  const named = NAMED[ALIASES[word] ?? word];
  if (named !== undefined) return named;
  const written = CHARACTERS[word];
  if (written !== undefined) return keysymOfCharacter(written);
  const [, kind, number] = /^(f|kp_)(\d{1,2})$/.exec(word) ?? [];
  if (kind === "f" && Number(number) >= 1 && Number(number) <= 35) return F1 + Number(number) - 1;
  if (kind === "kp_" && Number(number) <= 9) return KP_0 + Number(number);
  throw new EngineError(
    "invalid",
    `There is no key named ${JSON.stringify(name)}; see docs/desktop.md, "Keys"`,
  );
}
