import { useEffect, useRef, useState } from "preact/hooks";
import { call, describe, json } from "../api.ts";
import { ask } from "../dialog.tsx";
import { Icon } from "../icons.tsx";
import { tell, tellError } from "../notices.tsx";
import { Splitter } from "../splitter.tsx";
import { Entries, join, makeDirectory, parentOf, remove, type Entry } from "./entries.ts";
import { FileView } from "./file-view.tsx";
import { OpenFile } from "./open-file.ts";
import { Tree } from "./tree.tsx";
import { upload, Uploads } from "./uploads.tsx";

export function FilesTab() {
  const [entries, setEntries] = useState<Entries>();
  const [file, setFile] = useState<OpenFile>();
  const [error, setError] = useState<string>();
  const openRoot = (root: string) => {
    entries?.close();
    setEntries(new Entries(root));
  };
  useEffect(() => {
    json<{ workspace: string }>("info").then(
      ({ workspace }) => openRoot(workspace),
      (reason: unknown) => setError(describe(reason)),
    );
  }, []);
  useEffect(
    () => entries?.onChange((path) => void (path === file?.path && file.changedOnDisk())),
    [entries, file],
  );
  if (!entries) return <p class="empty">{error ?? "Looking for the workspace…"}</p>;

  const open = async (entry: Pick<Entry, "path" | "size">) => {
    if (entry.path === file?.path || !(await mayLeave(file))) return;
    setFile(new OpenFile(entry.path, entry.size));
  };
  const make = async (what: "file" | "folder") => {
    const question = { title: `New ${what}`, label: "Path", value: join(entries.root, ""), button: "Make" };
    const path = await ask(question);
    if (path === undefined) return;
    if (what === "folder") await makeDirectory(path);
    else await call("files/write", { method: "POST", body: { path, content: "", overwrite: false } });
    void entries.open(parentOf(path));
    if (what === "file") await open({ path, size: 0 });
  };
  const drop = async ({ path, name }: OpenFile) => {
    const sure = await ask({ title: `Delete ${name}?`, text: path, button: "Delete", isDangerous: true });
    if (sure === undefined) return;
    await remove(path);
    setFile(undefined);
    void entries.open(parentOf(path));
    tell(`Deleted ${name}.`);
  };
  return (
    <>
      <FilesBar entries={entries} onRoot={openRoot} onMake={(what) => void make(what).catch(tellError)} />
      <Splitter
        name="files"
        start={30}
        first={
          <DropArea directory={entries.root}>
            <Tree
              entries={entries}
              current={file?.path}
              onOpen={(entry) => void open(entry)}
              onDrop={(files, directory) => upload(files, directory)}
            />
            <Uploads />
          </DropArea>
        }
        second={
          file ? (
            <FileView key={file.path} file={file} onDelete={() => void drop(file).catch(tellError)} />
          ) : (
            <div class="empty">
              <p>Choose a file to see it here.</p>
              <p class="hint">Drop files on the list, or on one of its folders, to upload them.</p>
            </div>
          )
        }
      />
    </>
  );
}

async function mayLeave(file: OpenFile | undefined): Promise<boolean> {
  if (file === undefined || !["edited", "conflict"].includes(file.standing.value)) return true;
  const title = `Leave ${file.name} without saving?`;
  return (
    (await ask({ title, text: "What was changed here is lost.", button: "Leave", isDangerous: true })) !==
    undefined
  );
}

interface FilesBarProps {
  readonly entries: Entries;
  readonly onRoot: (path: string) => void;
  readonly onMake: (what: "file" | "folder") => void;
}

function FilesBar({ entries, onRoot, onMake }: FilesBarProps) {
  const chosen = useRef<HTMLInputElement>(null);
  const place = useRef<HTMLInputElement>(null);
  const go = (event: Event) => {
    event.preventDefault();
    const path = place.current?.value.trim().replace(/(.)\/+$/, "$1") ?? "";
    if (path !== "" && path !== entries.root) onRoot(path);
    else entries.refresh();
  };
  return (
    <div class="bar">
      <form class="place" onSubmit={go}>
        <label class="choice">
          <span>Folder</span>
          <input
            ref={place}
            key={entries.root}
            defaultValue={entries.root}
            spellcheck={false}
            autocomplete="off"
          />
        </label>
        <button title="Go there, or read it again">
          <Icon name="refresh" />
          <span class="sr">Go there, or read it again</span>
        </button>
      </form>
      <span class="hint wide" role="status">
        {entries.isLive.value ? "live" : ""}
      </span>
      <span class="grow" />
      <button onClick={() => onMake("file")}>
        <Icon name="plus" /> File
      </button>
      <button onClick={() => onMake("folder")}>
        <Icon name="plus" /> Folder
      </button>
      <button onClick={() => chosen.current?.click()}>
        <Icon name="upload" /> Upload
      </button>
      <input
        ref={chosen}
        type="file"
        multiple
        hidden
        onChange={({ currentTarget }) => {
          upload([...(currentTarget.files ?? [])], entries.root);
          currentTarget.value = "";
        }}
      />
    </div>
  );
}

function DropArea({
  directory,
  children,
}: {
  readonly directory: string;
  readonly children: preact.ComponentChildren;
}) {
  const [isOver, setIsOver] = useState(false);
  return (
    <div
      class="drop-area"
      data-over={isOver}
      onDragOver={(event) => {
        event.preventDefault();
        setIsOver(true);
      }}
      onDragLeave={() => setIsOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setIsOver(false);
        upload([...(event.dataTransfer?.files ?? [])], directory);
      }}
    >
      {children}
    </div>
  );
}
