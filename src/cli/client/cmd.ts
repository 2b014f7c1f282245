import { Command } from "commander";
import { addClientOptions, Connection, type ClientOptions } from "./connection.ts";
import { addRunOptions, runFields, type RunOptions } from "./fields.ts";
import { remoteRun } from "./remote-run.ts";

/** `sanderling cmd`: a command over there. */
export function cmdCommand(): Command {
  const command = new Command("cmd")
    .description("run a command in the sandbox; its output, input and exit code are the remote program's")
    .argument("<COMMAND...>", "a program and its arguments; a single one is a line for the shell")
    .passThroughOptions();
  addRunOptions(addClientOptions(command));
  command.addHelpText(
    "after",
    "\nExamples:\n  sanderling cmd -- ls -l /workspace\n  sanderling cmd 'ls | wc -l'\n  tar c . | sanderling cmd -w /tmp -- tar x\n\nCtrl-C interrupts the program, a second one ends it.",
  );
  return command.action(async ([program, ...args]: string[], options: ClientOptions & RunOptions) => {
    const connection = await Connection.open(options);
    const encoding = options.output === "json" ? "utf8" : "base64";
    const first = {
      type: "execute",
      command: program,
      ...(args.length > 0 ? { args } : {}),
      ...runFields(options),
      encoding,
      stdin_open: options.stdin,
      resumable: true,
    };
    const how = { output: options.output, takesInput: options.stdin };
    process.exitCode = await remoteRun(connection, "/commands/stream", first, how);
  });
}
