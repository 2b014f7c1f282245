import { Command } from "commander";
import { print, printed, printError } from "../output.ts";
import { addClientOptions, ClientError, Connection, type ClientOptions } from "./connection.ts";
import { converse, lost, send, type DaemonMessage } from "./messages.ts";

interface Options extends ClientOptions {
  readonly ignore: readonly string[];
  readonly recursive: boolean;
}

/** `sanderling watch`: what changes over there. */
export function watchCommand(): Command {
  const command = new Command("watch")
    .description("print what changes in a directory of the sandbox, until Ctrl-C")
    .argument("[PATH]", "directory or file", "/workspace")
    .option("-i, --ignore <PATTERN>", "not told, as a line of a .gitignore; may be given again", collect, [])
    .option("--no-recursive", "the directory itself only");
  addClientOptions(command);
  command.addHelpText(
    "after",
    "\nExamples:\n  sanderling watch -i node_modules -i '*.log'\n  sanderling watch /tmp -o json",
  );
  return command.action(async (path: string, options: Options) => {
    const connection = await Connection.open(options);
    const { socket, messages } = converse(await connection.socket("/files/watch"));
    process.once("SIGINT", () => socket.close(1000));
    send(socket, { action: "watch", path, ignore: options.ignore, recursive: options.recursive });
    for (;;) {
      const { value, done } = await messages.next();
      if (done !== true) {
        tell(value, options);
        // A slow reader slows the daemon, which says what it then leaves out.
        await printed();
      } else if (value.code === 1000) return;
      else lost(value);
    }
  });
}

function tell(message: DaemonMessage, { output }: Options): void {
  if (message.type === "error") throw new ClientError(message.error ?? "Refused");
  if (output === "json") print(JSON.stringify(message));
  else if (message.type === "status") printError(String(message["status"]));
  else if (message.type !== "change") printError(String(message["message"]));
  else {
    const { event, path, new_path: to } = message;
    // Of a write the end is enough for a person.
    if (message["complete"] === false) return;
    print(`${String(event).padEnd(8)}  ${String(path)}${typeof to === "string" ? ` -> ${to}` : ""}`);
  }
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
