import { readFile } from "node:fs/promises";
import { basename, extname } from "node:path";
import { Command } from "commander";
import { addClientOptions, ClientError, Connection, type ClientOptions } from "./connection.ts";
import { addRunOptions, runFields, type RunOptions } from "./fields.ts";
import { remoteRun } from "./remote-run.ts";

const LANGUAGES: Readonly<Record<string, string>> = {
  ".py": "python",
  ".js": "javascript",
  ".mjs": "javascript",
  ".cjs": "javascript",
  ".ts": "typescript",
  ".sh": "bash",
  ".bash": "bash",
  ".go": "go",
  ".java": "java",
};

interface Options extends ClientOptions, RunOptions {
  readonly language?: string;
  readonly rich?: true;
}

/** `sanderling run`: code in a file here, run over there. */
export function runCommand(): Command {
  const command = new Command("run")
    .description(
      "run a file of code in the sandbox; its output, input and exit code are the remote program's",
    )
    .argument("<FILE>", "file of code, or - for standard input")
    .option("-l, --language <LANGUAGE>", "default: by the file's extension, python for -")
    .option("--rich", "run it in a kernel, which shows results and displays too");
  addRunOptions(addClientOptions(command));
  command.addHelpText(
    "after",
    "\nExamples:\n  sanderling run train.py -e EPOCHS=3\n  echo 'print(6 * 7)' | sanderling run -\n  sanderling run query.go -o json\n\nCtrl-C interrupts the program, a second one ends it.",
  );
  return command.action(async (file: string, options: Options) => {
    const code = file === "-" ? await Bun.stdin.text() : await readCode(file);
    const language = options.language ?? languageOf(file);
    const connection = await Connection.open(options);
    const takesInput = options.stdin && file !== "-";
    const encoding = options.output === "json" ? "utf8" : "base64";
    const first = {
      type: "execute",
      code,
      language,
      ...runFields(options),
      encoding,
      stdin_open: takesInput,
      resumable: true,
    };
    const path = options.rich === true ? "/stream" : "/execute/stream";
    process.exitCode = await remoteRun(connection, path, first, { output: options.output, takesInput });
  });
}

async function readCode(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new ClientError(`Cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

function languageOf(file: string): string {
  if (file === "-") return "python";
  const language = LANGUAGES[extname(file).toLowerCase()];
  if (language !== undefined) return language;
  throw new ClientError(`Cannot tell the language of ${basename(file)} by its name: say it with --language`);
}
