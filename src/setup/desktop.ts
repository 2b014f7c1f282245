import { DESKTOP_PARTS, missingFor } from "../engine/desktop/requirements.ts";
import { findInPath } from "../engine/code/programs.ts";
import { runEnvironment, type SetupContext } from "./context.ts";
import { installPackages } from "./packages.ts";
import { failed, type PartResult } from "./result.ts";

/** What a desktop is made of, and what people expect to find on one. */
// prettier-ignore
const PACKAGES = [
  "tigervnc-standalone-server", "openbox", "dbus-daemon", "at-spi2-core", "ffmpeg", "tesseract-ocr",
  "xterm", "pcmanfm", "chromium", "fonts-dejavu-core", "x11-utils", "x11-xserver-utils", "xdotool", "wmctrl",
  "xclip", "maim",
];

/** Programs that users start from the menu of the desktop; they are looked for as well as what it needs itself. */
const APPLICATIONS = ["xterm", "pcmanfm", "chromium"];

/** Brings the desktop from the machine's own package manager, unless all of it is there already. Never rejects. */
export async function setUpDesktop(context: SetupContext): Promise<PartResult> {
  const before = missing(context);
  if (before.length === 0) return { state: "ready", changed: false, detail: "there already, nothing to do" };
  const problem = await installPackages(PACKAGES, context);
  if (problem) return problem;
  const left = missing(context);
  return left.length === 0
    ? { state: "ready", changed: true, detail: `installed ${before.join(", ")}` }
    : failed(`installed, but still missing: ${left.join(", ")}`, "see: sanderling doctor");
}

/** Packages whose programs the users of runs cannot find. */
export function missing(context: Pick<SetupContext, "dataDirectory" | "user" | "environment">): string[] {
  const path = runEnvironment(context)["PATH"] ?? "";
  const findProgram = (name: string) => findInPath([name], path, context.user);
  const needed = DESKTOP_PARTS.flatMap((part) => missingFor(part, { findProgram }));
  const wanted = APPLICATIONS.filter((name) => findProgram(name) === undefined);
  return [...new Set([...needed, ...wanted])];
}
