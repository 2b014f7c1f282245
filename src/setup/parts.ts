import type { SetupContext } from "./context.ts";
import { setUpDesktop } from "./desktop.ts";
import { setUpGo } from "./go-cache.ts";
import { setUpPackages } from "./packages.ts";
import { setUpPython } from "./python.ts";
import type { PartResult } from "./result.ts";

/** Something that `sanderling setup` can bring. */
export interface Part {
  /** The word on the command line. */
  readonly id: string;
  /** As the summary calls it. */
  readonly title: string;
  /** What it brings, for the help text. */
  readonly brings: string;
  /** Never rejects. */
  setUp(context: SetupContext): Promise<PartResult>;
}

/** One row a part; the languages' table names them in `setup`. */
export const PARTS: readonly Part[] = [
  {
    id: "python",
    title: "Python",
    brings:
      "the product's own Python with numpy, pandas, matplotlib, scikit-learn and the kernels of Python and Java",
    setUp: (context) => setUpPython(context),
  },
  aptPart("javascript", "JavaScript", "Node.js, for JavaScript and TypeScript", "nodejs"),
  aptPart("bash", "Bash", "the shell bash", "bash"),
  {
    id: "go",
    title: "Go",
    brings: "the Go toolchain, with the standard library compiled once, and the kernel of Go",
    setUp: (context) => setUpGo(["golang-go"], context),
  },
  aptPart("java", "Java", "a JDK, for its compiler and its virtual machine", "default-jdk-headless"),
  {
    id: "desktop",
    title: "Desktop",
    brings: "a display with a window manager, VNC, terminal, files, browser, recorder and reader of text",
    setUp: (context) => setUpDesktop(context),
  },
];

export function findPart(id: string): Part | undefined {
  return PARTS.find((part) => part.id === id);
}

function aptPart(id: string, title: string, brings: string, ...packages: readonly string[]): Part {
  return { id, title, brings, setUp: (context) => setUpPackages(id, packages, context) };
}
