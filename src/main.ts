import { Command, CommanderError } from "commander";
import { OutputError, printed, printError, printErrorText, printText } from "./cli/output.ts";
import { ConfigError } from "./config/read.ts";
import { EngineError } from "./engine/error.ts";
import { VERSION } from "./version.ts";

const USAGE_ERROR = 2;
/** As shells tell of a program that SIGPIPE ended. */
const BROKEN_PIPE = 128 + 13;

/** Each verb is loaded when it is the one asked for; all of them only for the help text. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import("./cli/serve.ts")).serveCommand(),
  token: async () => (await import("./cli/token.ts")).tokenCommand(),
  run: async () => (await import("./cli/client/run.ts")).runCommand(),
  cmd: async () => (await import("./cli/client/cmd.ts")).cmdCommand(),
  shell: async () => (await import("./cli/client/shell.ts")).shellCommand(),
  ps: async () => (await import("./cli/client/processes.ts")).psCommand(),
  logs: async () => (await import("./cli/client/processes.ts")).logsCommand(),
  kill: async () => (await import("./cli/client/processes.ts")).killCommand(),
  cp: async () => (await import("./cli/client/cp.ts")).cpCommand(),
  watch: async () => (await import("./cli/client/watch.ts")).watchCommand(),
  env: async () => (await import("./cli/client/env.ts")).envCommand(),
  completion: async () =>
    (await import("./cli/client/completion.ts")).completionCommand(() => loadCommands(undefined)),
  setup: async () => (await import("./cli/setup.ts")).setupCommand(),
  doctor: async () => (await import("./cli/doctor.ts")).doctorCommand(),
  version: async () => (await import("./cli/version.ts")).versionCommand(),
};

async function loadCommands(verb: string | undefined): Promise<Command[]> {
  const wanted = verb === undefined ? undefined : COMMANDS[verb];
  return Promise.all((wanted ? [wanted] : Object.values(COMMANDS)).map((load) => load()));
}

/** The command line. Returns the exit code, when everything has been printed. */
async function main(argv: readonly string[]): Promise<number> {
  try {
    const code = await execute(await commandLine(argv), argv);
    await printed();
    return code;
  } catch (error) {
    // Nobody wants to be told what nobody reads.
    if (error instanceof OutputError && error.isBrokenPipe) return BROKEN_PIPE;
    printError(error instanceof Error ? error.message : String(error));
    const isUsage =
      error instanceof ConfigError || (error instanceof EngineError && error.code === "invalid");
    return isUsage ? USAGE_ERROR : 1;
  }
}

async function commandLine(argv: readonly string[]): Promise<Command> {
  const program = new Command("sanderling")
    .description(
      "The agent inside a sandbox: runs code and commands for the clients of the HopX VM Agent API. The verbs run, cmd, shell, ps, logs, kill, cp, watch and env talk to a daemon that runs.",
    )
    .version(VERSION, "-V, --version")
    // `cmd` hands the options after its first word to the program over there.
    .enablePositionalOptions();
  for (const command of await loadCommands(argv[0])) program.addCommand(command);
  for (const command of [
    program,
    ...program.commands,
    ...program.commands.flatMap(({ commands }) => commands),
  ])
    command
      .exitOverride()
      .showHelpAfterError("(see --help)")
      .configureOutput({ writeOut: printText, writeErr: printErrorText });
  return program;
}

async function execute(program: Command, argv: readonly string[]): Promise<number> {
  try {
    await program.parseAsync(argv, { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has already printed what was wrong.
    return error.exitCode === 0 ? 0 : USAGE_ERROR;
  }
}

process.exit(await main(process.argv.slice(2)));
