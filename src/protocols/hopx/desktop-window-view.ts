import type { z } from "zod";
import type { WindowFacts } from "../../engine/desktop/windows.ts";
import type { windowFacts } from "./desktop-schema.ts";

/** A window in the words of every client library: they differ in what they read (contracts/hopx-agent.md, 11.1). */
export function describeWindow(window: WindowFacts): z.output<typeof windowFacts> {
  const { x, y, width, height, content, title } = window;
  return {
    id: String(window.id),
    title,
    class: window.windowClass,
    ...{ x, y, width, height, content },
    pid: window.pid ?? null,
    desktop: window.desktop ?? null,
    focused: window.isFocused,
    isActive: window.isFocused,
    isMinimized: window.isMinimized,
    isMaximized: window.isMaximized,
  };
}
