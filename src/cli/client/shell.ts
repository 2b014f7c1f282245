import { Command } from "commander";
import { onResize, printError, terminalSize, writeBytes } from "../output.ts";
import { addConnectionOptions, ClientError, Connection, type ConnectionOptions } from "./connection.ts";
import { converse, lost, send } from "./messages.ts";
import { RawTerminal } from "./raw-terminal.ts";

interface Options extends ConnectionOptions {
  readonly workdir?: string;
  readonly session?: string;
}

/** `sanderling shell`: a terminal over there. */
export function shellCommand(): Command {
  const command = new Command("shell")
    .description("open a shell in the sandbox, in this terminal")
    .option("-w, --workdir <DIR>", "directory to start in; default the workspace")
    .option(
      "-s, --session <NAME>",
      "a session that lives on when you leave, and is there when you come back",
    );
  addConnectionOptions(command);
  command.addHelpText(
    "after",
    "\nExamples:\n  sanderling shell\n  sanderling shell -s build   (close the terminal and come back later)",
  );
  return command.action(async (options: Options) => {
    const size = terminalSize();
    if (size === undefined || !process.stdin.isTTY)
      throw new ClientError("A shell needs a terminal: use `sanderling cmd` in a script");
    const connection = await Connection.open(options);
    const query = new URLSearchParams({ cols: String(size.cols), rows: String(size.rows) });
    if (options.workdir !== undefined) query.set("cwd", options.workdir);
    if (options.session !== undefined) query.set("session", options.session);
    process.exitCode = await interact(await connection.socket(`/terminal?${query.toString()}`));
  });
}

/** Settles with the exit code; the terminal is as it was then, whatever happened. */
async function interact(socket: WebSocket): Promise<number> {
  const { messages } = converse(socket);
  const type = (bytes: Uint8Array) =>
    send(socket, { type: "input", data: decoder.decode(bytes, { stream: true }) });
  const decoder = new TextDecoder();
  const stopResizing = onResize(() => send(socket, { type: "resize", ...terminalSize() }));
  const terminal = new RawTerminal();
  process.stdin.on("data", type);
  try {
    for (;;) {
      const { value, done } = await messages.next();
      if (done === true) lost(value);
      if (value.type === "output") await writeBytes("stdout", new TextEncoder().encode(String(value.data)));
      else if (value.type === "error") printError(`sanderling: ${value.error ?? "refused"}\r`);
      else if (value.type === "exit") return typeof value["code"] === "number" ? value["code"] : 1;
    }
  } finally {
    terminal[Symbol.dispose]();
    stopResizing();
    process.stdin.off("data", type);
    process.stdin.pause();
    socket.close(1000);
  }
}
