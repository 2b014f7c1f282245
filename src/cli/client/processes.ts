import { Command } from "commander";
import { print, writeBytes } from "../output.ts";
import { alignColumns } from "../table.ts";
import { addClientOptions, Connection, type ClientOptions } from "./connection.ts";
import { remoteRun } from "./remote-run.ts";

interface Process {
  readonly process_id: string;
  readonly name: string;
  readonly status: string;
  readonly pid: number | null;
  readonly duration: number;
  readonly exit_code: number | null;
  readonly command: string;
}

const COMMAND_CHARACTERS = 60;

/** `sanderling ps`: the background processes. */
export function psCommand(): Command {
  const command = new Command("ps").description("list the background processes of the sandbox, newest first");
  addClientOptions(command);
  return command.action(async (options: ClientOptions) => {
    const connection = await Connection.open(options);
    const list = await connection.json<{ processes: readonly Process[] }>("/execute/processes");
    if (options.output === "json") print(JSON.stringify(list.processes));
    else print(alignColumns([HEADINGS, ...list.processes.map(toRow)]).join("\n"));
  });
}

const HEADINGS = ["ID", "STATUS", "PID", "SECONDS", "EXIT", "COMMAND"];

function toRow({ process_id, status, pid, duration, exit_code, command }: Process): string[] {
  const line = command.replace(/\s+/g, " ");
  const short = line.length > COMMAND_CHARACTERS ? `${line.slice(0, COMMAND_CHARACTERS - 1)}…` : line;
  return [process_id, status, String(pid ?? "-"), duration.toFixed(1), String(exit_code ?? "-"), short];
}

/** `sanderling logs`: what a background process has printed. */
export function logsCommand(): Command {
  const command = new Command("logs")
    .description("print what a background process has printed, its errors on stderr")
    .argument("<ID>", "process id, execution id or pid (see: sanderling ps)")
    .option("-f, --follow", "go on as it prints, until it ends; then exit with its code");
  addClientOptions(command);
  command.addHelpText(
    "after",
    "\nExamples:\n  sanderling logs proc_0123 -f\n  sanderling logs 4711 > out 2> err",
  );
  return command.action(async (id: string, options: ClientOptions & { follow?: true }) => {
    const connection = await Connection.open(options);
    if (options.follow === true) {
      const encoding = options.output === "json" ? "utf8" : "base64";
      const first = { type: "resume", run_id: id, encoding };
      process.exitCode = await remoteRun(connection, "/commands/stream", first, {
        output: options.output,
        takesInput: false,
      });
    } else for (const stream of ["stdout", "stderr"] as const) await printSoFar(connection, id, stream);
  });
}

interface Slice {
  readonly data: string;
  readonly next_offset: number;
  readonly total_bytes: number;
}

async function printSoFar(connection: Connection, id: string, stream: "stdout" | "stderr"): Promise<void> {
  for (let offset = 0, total = 1; offset < total;) {
    const query = new URLSearchParams({ stream, offset: String(offset), encoding: "base64" });
    const path = `/execute/processes/${encodeURIComponent(id)}/output?${query.toString()}`;
    const slice = await connection.json<Slice>(path);
    await writeBytes(stream, Uint8Array.fromBase64(slice.data));
    total = slice.total_bytes;
    if (slice.next_offset <= offset) return;
    offset = slice.next_offset;
  }
}

/** `sanderling kill`: ends a process. */
export function killCommand(): Command {
  const command = new Command("kill")
    .description("end a process of the sandbox with all it started, or send it a signal")
    .argument("<ID>", "process id, execution id or pid (see: sanderling ps)")
    .option("-s, --signal <SIGNAL>", "for example HUP; default: asked to end, and killed after a grace");
  addClientOptions(command);
  return command.action(async (id: string, options: ClientOptions & { signal?: string }) => {
    const connection = await Connection.open(options);
    const body = options.signal === undefined ? {} : { signal: options.signal };
    const path = `/execute/kill/${encodeURIComponent(id)}`;
    const told = await connection.json<{ message: string }>(path, "POST", body);
    print(options.output === "json" ? JSON.stringify(told) : told.message);
  });
}
