import { parse, type ImportDeclaration } from "acorn";
import { transform } from "sucrase";

/** What the kernel (runtimes/kernel/node.cjs) calls a dynamic import, which evaluated code has none of. */
const IMPORT = "__sanderling_import__";

/**
 * Makes of a cell what V8 evaluates as a script with state: types are taken out, imports become calls. Every line
 * stays where it is. What cannot be parsed is left for V8, whose message says what is wrong.
 */
export function translateScript(code: string, language: "javascript" | "typescript"): string {
  const plain = language === "typescript" ? withoutTypes(code) : code;
  // Most cells import nothing, and need no parsing.
  return /\b(?:import|export)\b/.test(plain) ? withoutModules(plain) : plain;
}

function withoutTypes(code: string): string {
  try {
    // An import that this cell does not use may be for the next.
    const options = { disableESTransforms: true, keepUnusedImports: true } as const;
    return transform(code, { transforms: ["typescript"], ...options }).code;
  } catch {
    return code;
  }
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

function withoutModules(code: string): string {
  try {
    const edits: Edit[] = [];
    // Dynamic imports are seen as tokens, wherever they stand.
    const tokens: { start: number; end: number; word: string }[] = [];
    const { body } = parse(code, {
      ecmaVersion: "latest",
      sourceType: "module",
      allowAwaitOutsideFunction: true,
      onToken: ({ start, end }) => tokens.push({ start, end, word: code.slice(start, end) }),
    });
    for (const node of body) {
      if (node.type === "ImportDeclaration") edits.push(replacement(node, code));
      else if (node.type === "ExportNamedDeclaration" && node.declaration)
        edits.push({ start: node.start, end: node.declaration.start, text: "" });
    }
    tokens.forEach(({ start, end, word }, index) => {
      if (word === "import" && tokens[index + 1]?.word === "(" && tokens[index - 1]?.word !== ".")
        edits.push({ start, end, text: IMPORT });
    });
    return applied(code, edits);
  } catch {
    return code;
  }
}

/** The same names, declared so that the next cell has them; as many lines as before. */
function replacement({ specifiers, source, start, end }: ImportDeclaration, code: string): Edit {
  const module = `await ${IMPORT}(${JSON.stringify(source.value)})`;
  const names = specifiers.flatMap((specifier) => {
    if (specifier.type === "ImportNamespaceSpecifier") return [];
    if (specifier.type === "ImportDefaultSpecifier") return [`default: ${specifier.local.name}`];
    const { imported, local } = specifier;
    const name = imported.type === "Identifier" ? imported.name : JSON.stringify(imported.value);
    return [name === local.name ? name : `${name}: ${local.name}`];
  });
  const whole = specifiers.find(({ type }) => type === "ImportNamespaceSpecifier")?.local.name;
  const parts = [
    ...(whole === undefined ? [] : [`const ${whole} = ${module};`]),
    ...(names.length === 0 ? [] : [`const { ${names.join(", ")} } = ${whole ?? module};`]),
  ];
  const lines = "\n".repeat(code.slice(start, end).split("\n").length - 1);
  return { start, end, text: (parts.join(" ") || `${module};`) + lines };
}

function applied(code: string, edits: readonly Edit[]): string {
  let text = code;
  for (const { start, end, text: to } of [...edits].sort((a, b) => b.start - a.start))
    text = text.slice(0, start) + to + text.slice(end);
  return text;
}
