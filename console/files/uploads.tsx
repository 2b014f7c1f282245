import { signal } from "@preact/signals";
import { address, describe, sessionHeaders } from "../api.ts";
import { ask } from "../dialog.tsx";
import { bytes } from "../format.ts";
import { Icon } from "../icons.tsx";
import { join } from "./entries.ts";

interface Upload {
  readonly id: number;
  readonly path: string;
  readonly size: number;
  readonly sent: number;
  readonly state: "waiting" | "sending" | "done" | "failed";
  readonly error?: string;
}

const SHOWN_MS = 4000;
export const uploads = signal<readonly Upload[]>([]);
let last = 0;
let turn: Promise<void> = Promise.resolve();

/** One after the other, so that each is quick and the disk is not fought over. */
export function upload(files: readonly File[], directory: string): void {
  for (const file of files) {
    const id = ++last;
    const path = join(directory, file.name);
    uploads.value = [...uploads.value, { id, path, size: file.size, sent: 0, state: "waiting" }];
    turn = turn.then(() => uploadOne(id, file, path));
  }
}

async function uploadOne(id: number, file: File, path: string): Promise<void> {
  change(id, { state: "sending" });
  try {
    const status = await send(id, file, path, false);
    if (status === 409) {
      const question = {
        title: `Replace ${file.name}?`,
        text: `There is a file at ${path}.`,
        button: "Replace",
      };
      if ((await ask({ ...question, isDangerous: true })) === undefined) {
        forget(id);
        return;
      }
      await send(id, file, path, true);
    }
    change(id, { state: "done", sent: file.size });
    setTimeout(() => forget(id), SHOWN_MS);
  } catch (error) {
    change(id, { state: "failed", error: describe(error) });
  }
}

/** Only this kind of request tells how much has been sent. @returns 409 when the file is there. */
function send(id: number, file: File, path: string, overwrite: boolean): Promise<number> {
  const form = new FormData();
  form.append("path", path);
  form.append("overwrite", String(overwrite));
  form.append("file", file);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address("files/upload"));
    for (const [name, value] of Object.entries(sessionHeaders())) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => change(id, { sent: Math.min(loaded, file.size) });
    request.onerror = () => reject(new Error("The connection was lost; nothing of the file was kept."));
    request.onload = () => {
      if (request.status < 300 || (request.status === 409 && !overwrite)) resolve(request.status);
      else reject(new Error(refusalOf(request.responseText)));
    };
    request.send(form);
  });
}

function refusalOf(text: string): string {
  try {
    return String((JSON.parse(text) as { error?: unknown }).error);
  } catch {
    return "The sandbox refused it.";
  }
}

function change(id: number, fields: Partial<Upload>): void {
  uploads.value = uploads.value.map((one) => (one.id === id ? { ...one, ...fields } : one));
}

function forget(id: number): void {
  uploads.value = uploads.value.filter((one) => one.id !== id);
}

export function Uploads() {
  return (
    <ul class="uploads" aria-label="Uploads">
      {uploads.value.map(({ id, path, size, sent, state, error }) => (
        <li key={id}>
          <span class="path">{path}</span>
          {state === "failed" ? (
            <span class="error">{error}</span>
          ) : (
            <progress
              max={Math.max(1, size)}
              value={size === 0 && state === "done" ? 1 : sent}
              aria-label={path}
            />
          )}
          <span class="hint">{state === "done" ? "done" : bytes(size)}</span>
          {state === "failed" && (
            <button class="quiet" onClick={() => forget(id)}>
              <Icon name="close" />
              <span class="sr">Close</span>
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
