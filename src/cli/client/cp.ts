import { createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Command } from "commander";
import { print } from "../output.ts";
import { addClientOptions, ClientError, Connection, type ClientOptions } from "./connection.ts";
import { Progress } from "./progress.ts";

/** `sanderling cp`: files and directories, in either direction. */
export function cpCommand(): Command {
  const command = new Command("cp")
    .description("copy a file or a directory to or from the sandbox; a colon marks the path over there")
    .argument("<FROM>", "for example report.pdf or :/workspace/out")
    .argument("<TO>", "into it when it is a directory that is there");
  addClientOptions(command);
  command.addHelpText(
    "after",
    "\nExamples:\n  sanderling cp data.csv :            (into the workspace)\n  sanderling cp src :/workspace/src   (a directory with all in it)\n  sanderling cp :/workspace/out .",
  );
  return command.action(async (from: string, to: string, options: ClientOptions) => {
    const connection = await Connection.open(options);
    const [remoteFrom, remoteTo] = [remotePath(from), remotePath(to)];
    if ((remoteFrom === undefined) === (remoteTo === undefined))
      throw new ClientError(
        "One of the two paths must be in the sandbox, marked with a colon: sanderling cp FILE :PATH",
      );
    const copied =
      remoteTo === undefined
        ? await download(connection, remoteFrom ?? "", resolve(to))
        : await upload(connection, resolve(from), remoteTo);
    if (options.output === "json") print(JSON.stringify({ from, to, ...copied }));
  });
}

/**
 * What follows the colon, relative to the workspace; undefined for a path of this machine.
 * @throws ClientError for no path at all, which would mean the directory that one happens to be in.
 */
function remotePath(text: string): string | undefined {
  if (text === "") throw new ClientError("Cannot copy: one of the two paths is empty");
  if (!text.startsWith(":")) return undefined;
  return text === ":" ? "." : text.slice(1);
}

async function upload(connection: Connection, from: string, to: string): Promise<object> {
  const stats = await stat(from).catch((error: unknown) => {
    throw new ClientError(`Cannot copy ${from}: ${error instanceof Error ? error.message : String(error)}`);
  });
  // A device has no end, and a pipe perhaps no writer.
  if (!stats.isFile() && !stats.isDirectory())
    throw new ClientError(`Cannot copy ${from}: it is neither a file nor a directory`);
  const isInto = to === "." || to.endsWith("/") || (await typeOf(connection, to)) === "directory";
  const target = isInto ? join(to, basename(from)) : to;
  if (stats.isDirectory()) return uploadDirectory(connection, from, target);
  await using progress = new Progress(basename(from), stats.size);
  const body = progress.counted(Readable.from(Bun.file(from).stream()));
  await sendForm(connection, target, body);
  return { path: target, bytes: progress.doneBytes };
}

/** A form with one file, written as it goes: it may be larger than memory. */
async function sendForm(
  connection: Connection,
  path: string,
  file: AsyncIterable<Uint8Array>,
): Promise<void> {
  const boundary = `sanderling-${crypto.randomUUID()}`;
  const text = (lines: readonly string[]) => new TextEncoder().encode(lines.join("\r\n"));
  async function* form(): AsyncGenerator<Uint8Array, void> {
    yield text([`--${boundary}`, 'Content-Disposition: form-data; name="path"', "", path, ""]);
    yield text([`--${boundary}`, 'Content-Disposition: form-data; name="file"; filename="file"', "", ""]);
    yield* file;
    yield text(["", `--${boundary}--`, ""]);
  }
  const headers = { "content-type": `multipart/form-data; boundary=${boundary}` };
  await connection.fetch("/files/upload", { method: "POST", headers, body: toStream(form()) });
}

async function uploadDirectory(connection: Connection, from: string, to: string): Promise<object> {
  const { packLocal, sizeOfTree } = await import("./local-tar.ts");
  await using progress = new Progress(`${basename(from)}/`, await sizeOfTree(from));
  await connection.json("/files/mkdir", "POST", { path: to });
  const body = toStream(packLocal(from, progress));
  await connection.fetch(`/files/archive?path=${encodeURIComponent(to)}`, { method: "POST", body });
  return { path: to, bytes: progress.doneBytes };
}

async function download(connection: Connection, from: string, to: string): Promise<object> {
  const isThere = (await stat(to).catch(() => undefined))?.isDirectory() === true;
  const target = isThere ? join(to, basename(resolve("/", from)) || "workspace") : to;
  const query = `path=${encodeURIComponent(from)}`;
  if ((await typeOf(connection, from)) === "directory") {
    const { unpackLocal } = await import("./local-tar.ts");
    const { body } = await connection.fetch(`/files/archive?${query}`);
    await using progress = new Progress(`${basename(target)}/`, undefined);
    await unpackLocal(body ?? Readable.from([]), target, progress);
    return { path: target, bytes: progress.doneBytes };
  }
  const response = await connection.fetch(`/files/download?${query}`);
  const length = response.headers.get("content-length");
  await using progress = new Progress(basename(target), length === null ? undefined : Number(length));
  // Beside it first, so that a copy that breaks off leaves nothing that looks whole.
  const draft = `${target}.${process.pid}.part`;
  try {
    await pipeline(
      Readable.from(progress.counted(response.body ?? Readable.from([]))),
      createWriteStream(draft),
    );
    await rename(draft, target);
  } finally {
    await rm(draft, { force: true });
  }
  return { path: target, bytes: progress.doneBytes };
}

async function typeOf(connection: Connection, path: string): Promise<string | undefined> {
  const { type } = await connection.json<{ type?: string }>(`/files/exists?path=${encodeURIComponent(path)}`);
  return type;
}

function toStream(bytes: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  return Readable.toWeb(Readable.from(bytes));
}
