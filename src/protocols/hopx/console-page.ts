import type { ConsoleFiles } from "./console-bundle.ts";

/** Scripts come from files only. xterm.js and CodeMirror make style sheets as they go. */
const SECURITY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
  "font-src 'self' data:; media-src blob:; connect-src 'self'; frame-src 'self'; form-action 'none'; " +
  "base-uri 'none'; frame-ancestors 'none'";

/**
 * What code prints as HTML may run its scripts and do nothing else: an origin of its own, and no network. It may
 * only be loaded into the console.
 */
const FRAME_SECURITY =
  "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; " +
  "img-src data: blob:; font-src data:; media-src data: blob:; form-action 'none'; base-uri 'none'; " +
  "frame-ancestors 'self'";

const common = {
  "Content-Type": "text/html; charset=utf-8",
  "Cache-Control": "no-store",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "Cross-Origin-Opener-Policy": "same-origin",
};

export function consolePage({ script, style }: ConsoleFiles): Response {
  const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sanderling console</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="console/files/${style}">
<script type="module" src="console/files/${script}"></script>
</head>
<body><noscript>The console needs JavaScript.</noscript></body>
</html>
`;
  return new Response(page, { headers: { ...common, "Content-Security-Policy": SECURITY } });
}

/** Takes HTML from the console by message, shows it, and says how high it is. */
const FRAME = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Output</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0; font: 14px/1.5 system-ui, sans-serif; overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; }
th, td { padding: 3px 10px; text-align: right; border-bottom: 1px solid #8884; }
</style>
</head>
<body>
<script>
addEventListener("message", function (event) {
  if (event.source !== parent || typeof event.data.html !== "string") return;
  document.documentElement.style.colorScheme = event.data.scheme;
  document.body.innerHTML = event.data.html;
  // Scripts that come by innerHTML do not run; copies of them do.
  document.querySelectorAll("script").forEach(function (script) {
    var copy = document.createElement("script");
    for (var i = 0; i < script.attributes.length; i++)
      copy.setAttribute(script.attributes[i].name, script.attributes[i].value);
    copy.textContent = script.textContent;
    script.replaceWith(copy);
  });
});
new ResizeObserver(function () {
  parent.postMessage({ height: document.documentElement.getBoundingClientRect().height }, "*");
}).observe(document.documentElement);
</script>
</body>
</html>
`;

export function framePage(): Response {
  return new Response(FRAME, { headers: { ...common, "Content-Security-Policy": FRAME_SECURITY } });
}

/** A file whose name changes with its content. */
export function consoleFile(name: string, content: Blob): Response {
  const type = name.endsWith(".css") ? "text/css" : "text/javascript";
  return new Response(content, {
    headers: {
      "Content-Type": `${type}; charset=utf-8`,
      "Cache-Control": "public, max-age=31536000, immutable",
      "X-Content-Type-Options": "nosniff",
    },
  });
}
