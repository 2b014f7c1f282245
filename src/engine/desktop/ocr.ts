import { EngineError } from "../error.ts";
import type { RawFrame } from "./frame.ts";
import { runTool, type DesktopHost } from "./host.ts";
import type { Rectangle } from "./x11/core.ts";

/** One word that was read off the screen. */
export interface Word extends Rectangle {
  readonly text: string;
  /** 0 to 100, as the reader rates itself. */
  readonly confidence: number;
  /** Words with the same number stand in one line. */
  readonly line: string;
}

export interface Reading {
  readonly text: string;
  readonly words: readonly Word[];
}

const READ_MS = 60_000;
/** Letters of a screen are smaller than those the reader was taught with. */
const ENLARGE = 2;
/** Larger pictures are read as they are: it would take long and cost hundreds of megabytes. */
const MOST_ENLARGED_PIXELS = 4_200_000;
/** Text in no particular order, as screens have it. */
const SPARSE_TEXT = "11";
const AUTOMATIC = "3";
const WORD_LEVEL = "5";

/** Languages that can be read on this machine, as tesseract calls them. */
export async function ocrLanguages(host: DesktopHost): Promise<string[]> {
  const told = await runTool(host, ["tesseract", "--list-langs"], {});
  return new TextDecoder()
    .decode(told)
    .split("\n")
    .slice(1)
    .filter((line) => line !== "");
}

/**
 * Reads the text in a picture. Places are those of the picture.
 * @param language One or several, as in "eng+deu".
 * @throws EngineError `invalid` for a language that is not installed.
 */
export async function readText(
  host: DesktopHost,
  frame: RawFrame,
  options: {
    readonly language: string;
    readonly layout: "page" | "sparse";
    readonly signal?: AbortSignal | undefined;
  },
): Promise<Reading> {
  await requireLanguages(host, options.language);
  const factor = frame.width * frame.height * ENLARGE ** 2 <= MOST_ENLARGED_PIXELS ? ENLARGE : 1;
  const { toBitmap } = await import("./picture.ts");
  const image = new Bun.Image(toBitmap(frame)).resize(frame.width * factor, frame.height * factor);
  const input = await image.png({ compressionLevel: 1 }).bytes();
  const layout = options.layout === "page" ? AUTOMATIC : SPARSE_TEXT;
  const argv = ["tesseract", "stdin", "stdout", "-l", options.language, "--psm", layout, "tsv"] as const;
  // Its threads wait for each other more than they work.
  const env = { OMP_THREAD_LIMIT: "1" };
  const told = await runTool(host, argv, { input, env, timeoutMs: READ_MS, signal: options.signal });
  const words = parseWords(new TextDecoder().decode(told), factor);
  return { words, text: joinWords(words) };
}

async function requireLanguages(host: DesktopHost, language: string): Promise<void> {
  const installed = await ocrLanguages(host);
  const missing = language.split("+").filter((one) => !installed.includes(one));
  if (missing.length === 0) return;
  throw new EngineError(
    "invalid",
    `Cannot read ${missing.join(", ")}: installed are ${installed.join(", ")}; more come with packages such as tesseract-ocr-deu`,
    { details: { installed } },
  );
}

/** One row a word: level, page, block, paragraph, line, word, left, top, width, height, confidence, text. */
function parseWords(table: string, factor: number): Word[] {
  return table
    .split("\n")
    .map((line) => line.split("\t"))
    .filter(([level, ...rest]) => level === WORD_LEVEL && (rest[10] ?? "").trim() !== "")
    .map(([, page, block, paragraph, line, , ...rest]) => {
      const [x = 0, y = 0, width = 0, height = 0, confidence = 0] = rest.slice(0, 5).map(Number);
      const scaled = (value: number) => Math.round(value / factor);
      return {
        text: rest.slice(5).join("\t").trim(),
        confidence,
        line: [page, block, paragraph, line].join("."),
        x: scaled(x),
        y: scaled(y),
        width: scaled(width),
        height: scaled(height),
      };
    });
}

function joinWords(words: readonly Word[]): string {
  let text = "";
  for (const [i, word] of words.entries()) {
    const before = words[i - 1];
    text += before === undefined ? "" : before.line === word.line ? " " : "\n";
    text += word.text;
  }
  return text;
}

/** Where a text stands, in one line, whatever its case and spaces; the best match first. */
export function findText(words: readonly Word[], wanted: string): (Rectangle & { text: string }) | undefined {
  const target = plain(wanted);
  if (target === "") return undefined;
  const whole = matches(words, (text) => text === target, target.length)[0];
  return whole ?? matches(words, (text) => text.includes(target), target.length)[0];
}

/** The shortest runs of words in a line whose text is taken. */
function matches(words: readonly Word[], isWanted: (text: string) => boolean, length: number) {
  const found: (Rectangle & { text: string })[] = [];
  for (const [i, first] of words.entries()) {
    const run: Word[] = [];
    for (const word of words.slice(i)) {
      if (word.line !== first.line) break;
      run.push(word);
      const text = plain(run.map((one) => one.text).join(""));
      if (
        isWanted(text) &&
        !plain(
          run
            .slice(1)
            .map((one) => one.text)
            .join(""),
        ).includes(text)
      ) {
        found.push({ ...around(run), text: run.map((one) => one.text).join(" ") });
        break;
      }
      if (text.length > 4 * length + 40) break;
    }
  }
  return found.toSorted((a, b) => a.text.length - b.text.length);
}

function plain(text: string): string {
  return text.toLowerCase().replace(/\s+/g, "");
}

function around(boxes: readonly Rectangle[]): Rectangle {
  const x = Math.min(...boxes.map((box) => box.x));
  const y = Math.min(...boxes.map((box) => box.y));
  return {
    x,
    y,
    width: Math.max(...boxes.map((box) => box.x + box.width)) - x,
    height: Math.max(...boxes.map((box) => box.y + box.height)) - y,
  };
}
