import { OwnerNames } from "../../engine/files/owners.ts";
import { applyTo, giveLevels, missingLevels } from "../../engine/files/permissions.ts";
import type { StagedFile } from "../../engine/files/staged-file.ts";
import { stageContent, writeStaged } from "../../engine/files/write.ts";
import { dirname } from "node:path";
import { readChunks } from "../../http/chunks.ts";
import { describeIssues } from "../../http/fault.ts";
import { readParts, readText, type Part } from "../../http/multipart.ts";
import { ExecdRefusal } from "./errors.ts";
import { toChange } from "./file-info.ts";
import type { FileView } from "./file-view.ts";
import { uploadMetadata, type Permission } from "./files-schema.ts";
import { withDeclaredNames } from "./json.ts";

const MOST_METADATA_BYTES = 64 * 1024;
/** Files whose metadata follows them wait open. */
const MOST_WAITING = 256;
/** As the reference server has it: clients write scripts without naming a mode, and start them. */
const NEW_FILE_MODE = 0o755;

type Metadata = Permission & { readonly path: string };

/**
 * Streams the files of a form to the disk. The i-th metadata part belongs to the i-th file part, in whatever order
 * they come. A file gets its place, whole, as soon as both are there; what a broken form had before stays.
 * @param onPlaced Told the path of each file that has its place, as its client named it.
 * @throws ExecdRefusal for a form whose parts do not match.
 */
export async function receiveUploads(
  view: FileView,
  request: Request,
  maxBytes: number,
  onPlaced: (path: string) => void,
): Promise<void> {
  const parts = readParts(request.headers.get("content-type"), readChunks(request, maxBytes));
  await using form = new UploadForm(view, onPlaced);
  for await (const part of parts) {
    if (part.name === "metadata") await form.addMetadata(part);
    else if (part.name === "file") await form.addFile(part);
  }
  form.finish();
}

/** The parts of one form that still wait for their other half. */
class UploadForm implements AsyncDisposable {
  readonly #view: FileView;
  readonly #onPlaced: (path: string) => void;
  readonly #names = new OwnerNames();
  readonly #metadata: Metadata[] = [];
  readonly #files: StagedFile[] = [];
  readonly #seen = { metadata: 0, files: 0 };

  constructor(view: FileView, onPlaced: (path: string) => void) {
    this.#view = view;
    this.#onPlaced = onPlaced;
  }

  async addMetadata(part: Part): Promise<void> {
    const metadata = parseMetadata(await readText(part, MOST_METADATA_BYTES));
    this.#seen.metadata++;
    await using file = this.#files.shift();
    if (file) await this.#place(file, metadata);
    else if (this.#metadata.push(metadata) > MOST_WAITING) throw tooMany("metadata");
  }

  async addFile({ content }: Part): Promise<void> {
    this.#seen.files++;
    const metadata = this.#metadata.shift();
    const { paths, locate } = this.#view;
    if (metadata === undefined) {
      if (this.#files.length === MOST_WAITING) throw tooMany("file");
      this.#files.push(await stageContent(paths, undefined, content));
      return;
    }
    const made = await missingLevels(paths, paths.resolve(dirname(paths.resolve(locate(metadata.path)))));
    await using staged = await stageContent(paths, locate(metadata.path), content);
    await this.#place(staged, metadata, made);
  }

  finish(): void {
    const { metadata, files } = this.#seen;
    if (metadata + files === 0) throw new ExecdRefusal(400, "INVALID_FILE", "multipart form is empty");
    if (metadata === 0) throw new ExecdRefusal(400, "INVALID_FILE_METADATA", "metadata file is missing");
    if (files === 0) throw new ExecdRefusal(400, "INVALID_FILE_CONTENT", "file is missing");
    if (metadata !== files)
      throw new ExecdRefusal(
        400,
        "INVALID_FILE",
        `the form has ${metadata} metadata parts and ${files} file parts`,
      );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files) await file[Symbol.asyncDispose]();
  }

  async #place(staged: StagedFile, metadata: Metadata, made?: Awaited<ReturnType<typeof missingLevels>>) {
    const { paths, locate } = this.#view;
    const path = locate(metadata.path);
    const change = toChange(metadata, this.#names);
    const levels = made ?? (await missingLevels(paths, paths.resolve(dirname(paths.resolve(path)))));
    const request = {
      path,
      mode: change.mode,
      newFileMode: NEW_FILE_MODE,
      overwrite: true,
      precondition: undefined,
    };
    await writeStaged(paths, { ...request, prepare: (fd) => applyTo(paths, fd, change) }, staged);
    await giveLevels(paths, levels, change);
    this.#onPlaced(metadata.path);
  }
}

function parseMetadata(text: string): Metadata {
  const refuse = (reason: string) =>
    new ExecdRefusal(400, "INVALID_FILE_METADATA", `invalid metadata format. ${reason}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  const result = uploadMetadata.safeParse(withDeclaredNames(value, uploadMetadata));
  if (!result.success) throw refuse(describeIssues(result.error));
  if (result.data.path === "") throw new ExecdRefusal(400, "INVALID_FILE_METADATA", "metadata path is empty");
  return result.data;
}

function tooMany(kind: string): ExecdRefusal {
  return new ExecdRefusal(
    400,
    "INVALID_FILE",
    `more than ${MOST_WAITING} ${kind} parts wait for their other half: send each metadata part before its file`,
  );
}
