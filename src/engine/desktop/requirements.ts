import { EngineError } from "../error.ts";
import type { DesktopHost } from "./host.ts";

/** Programs that the desktop is made of, with the Debian package of each; `setup desktop` brings all. */
const PROGRAMS = {
  display: [
    ["Xvnc", "tigervnc-standalone-server"],
    ["openbox", "openbox"],
  ],
  recording: [["ffmpeg", "ffmpeg"]],
  ocr: [["tesseract", "tesseract-ocr"]],
  accessibility: [
    ["dbus-daemon", "dbus-daemon"],
    // A program that is in no PATH; its package brings the service file that the bus starts it by.
    ["/usr/libexec/at-spi-bus-launcher", "at-spi2-core"],
  ],
} as const;

export type DesktopPart = keyof typeof PROGRAMS;
export const DESKTOP_PARTS = Object.keys(PROGRAMS) as readonly DesktopPart[];

/** Packages that a part of the desktop wants and this machine has not. */
export function missingFor(part: DesktopPart, host: Pick<DesktopHost, "findProgram">): string[] {
  return PROGRAMS[part]
    .filter(([program]) => host.findProgram(program) === undefined)
    .map(([, from]) => from);
}

/** @throws EngineError `unsupported` with `missing_dependencies` when something is not there. */
export function requirePart(part: DesktopPart, host: Pick<DesktopHost, "findProgram">): void {
  const missing = [...new Set([...missingFor("display", host), ...missingFor(part, host)])];
  if (missing.length === 0) return;
  throw new EngineError(
    "unsupported",
    `This machine has no desktop (${part}): install ${missing.join(", ")}, for example with: sanderling setup desktop`,
    {
      details: {
        missing_dependencies: missing,
        install: ["sanderling setup desktop", `apt-get install --no-install-recommends ${missing.join(" ")}`],
      },
    },
  );
}
