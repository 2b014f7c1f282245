import type { Route } from "../../http/route.ts";
import type { HopxContext } from "./context.ts";
import { captureRoutes } from "./desktop-capture.ts";
import { displayRoutes } from "./desktop-display.ts";
import { elementRoutes } from "./desktop-elements.ts";
import { inputRoutes } from "./desktop-input.ts";
import { seeingRoutes } from "./desktop-seeing.ts";
import { vncPageRoutes } from "./desktop-vnc-page.ts";
import { windowRoutes } from "./desktop-windows.ts";

/** The desktop, device by device (contracts/hopx-agent.md, 11). */
export const desktopRoutes: readonly Route<HopxContext>[] = [
  ...displayRoutes,
  ...inputRoutes,
  ...captureRoutes,
  ...windowRoutes,
  ...seeingRoutes,
  ...elementRoutes,
  ...vncPageRoutes,
];
