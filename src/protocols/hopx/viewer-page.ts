import { EngineError } from "../../engine/error.ts";
import viewer from "../../../runtimes/desktop/viewer.mjs" with { type: "text" };
import { readViewerFiles } from "./viewer-files.ts" with { type: "macro" };

/** What the page's script connects with. */
export interface ViewerConfig {
  readonly ticket: string;
  readonly password: string;
  readonly viewOnly: boolean;
}

/** Scripts of the page by their path below it: our own, and noVNC's as they are. */
const SCRIPTS: ReadonlyMap<string, string> = new Map([
  ["viewer.js", viewer],
  ...Object.entries(readViewerFiles()).map(([path, text]) => [`novnc/${path}`, text] as const),
]);

/** @throws EngineError `not_found`. */
export function viewerScript(path: string): Response {
  const script = SCRIPTS.get(path);
  if (script === undefined) throw new EngineError("not_found", `The viewer has no script ${path}`);
  return new Response(script, {
    headers: { "Content-Type": "text/javascript; charset=utf-8", "Cache-Control": "max-age=3600" },
  });
}

const SECURITY =
  "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data: blob:; " +
  "style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

/** The page itself; it is worth nothing without the secrets in it, which work once. */
export function viewerPage(config: ViewerConfig): Response {
  // No text in it ends the element or begins a comment.
  const json = JSON.stringify(config).replaceAll("<", "\\u003c");
  const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Desktop</title>
<style>
html, body { margin: 0; height: 100%; background: #1d2128; color: #d8dee9; font: 13px sans-serif; }
body { display: flex; flex-direction: column; }
#state { padding: 4px 8px; }
#screen { flex: 1; min-height: 0; }
</style>
</head>
<body>
<div id="state">connecting</div>
<div id="screen"></div>
<script type="application/json" id="config">${json}</script>
<script type="module" src="vnc/viewer.js"></script>
</body>
</html>
`;
  return new Response(page, {
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": SECURITY,
      "Cache-Control": "no-store",
      "Referrer-Policy": "no-referrer",
      "X-Content-Type-Options": "nosniff",
    },
  });
}
