// Paths, not texts: the page is rarely asked for, and its script would cost 30 MiB of memory from the start.
import css from "swagger-ui-dist/swagger-ui.css" with { type: "file" };
import script from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "file" };

/** A page on which the API can be read and tried; everything it needs comes from this server. */

const START = `
window.ui = SwaggerUIBundle({
  // Without the credentials that a person may have put into the page's address.
  url: new URL("openapi.json", location.origin + location.pathname).href,
  dom_id: "#reference",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
  tryItOutEnabled: true,
});`;

const page = (title: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="stylesheet" href="docs/style.css">
</head>
<body>
<div id="reference"></div>
<script src="docs/reference.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`;

// Swagger UI sets inline styles; scripts come from files only.
const SECURITY =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";

const TYPES = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
} as const;

export interface ReferenceFile {
  readonly path: string;
  readonly summary: string;
  readonly response: () => Response;
}

/** The page and its files, by path. */
export function referenceFiles(title: string): readonly ReferenceFile[] {
  // The bundler gives a path for any ending when asked to; the types know only of code.
  const bundled = (path: unknown) => Bun.file(path as string);
  return [
    file("/docs", "html", "Reference to read and try", page(title)),
    file("/docs/style.css", "css", "Style of the reference", bundled(css)),
    file("/docs/reference.js", "js", "Script of the reference", bundled(script)),
    file("/docs/start.js", "js", "Start of the reference", START),
  ];
}

function file(
  path: string,
  type: keyof typeof TYPES,
  summary: string,
  content: string | Bun.BunFile,
): ReferenceFile {
  const headers = {
    "Content-Type": TYPES[type],
    "Content-Security-Policy": SECURITY,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, max-age=3600",
  };
  return { path, summary, response: () => new Response(content, { headers }) };
}
