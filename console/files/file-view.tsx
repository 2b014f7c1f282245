import { useEffect, useRef } from "preact/hooks";
import { save } from "../api.ts";
import { CodeEditor, languageOfFile } from "../editor.ts";
import { Icon } from "../icons.tsx";
import { tell, tellError } from "../notices.tsx";
import { downloadAddress } from "./entries.ts";
import type { OpenFile } from "./open-file.ts";

interface FileViewProps {
  readonly file: OpenFile;
  readonly onDelete: () => void;
}

export async function download(path: string): Promise<void> {
  save(path.split("/").at(-1) ?? "file", await downloadAddress(path));
}

export function FileView({ file, onDelete }: FileViewProps) {
  const editor = useRef<CodeEditor | undefined>(undefined);
  const shown = file.shown.value;
  const standing = file.standing.value;
  const store = (isForced: boolean) => {
    const text = editor.current?.text;
    if (text !== undefined)
      file.save(text, isForced).then(() => {
        if (file.standing.value === "same") tell(`Saved ${file.name}.`);
      }, tellError);
  };
  const isText = shown.kind === "text";
  return (
    <div class="file-view">
      <div class="bar">
        <span class="path" title={file.path}>
          {file.path}
          {standing === "edited" && <span class="hint"> edited</span>}
        </span>
        <span class="grow" />
        {isText && !shown.isReadOnly && (
          <button
            class="primary"
            disabled={standing !== "edited"}
            onClick={() => store(false)}
            title="Ctrl+S"
          >
            {standing === "saving" ? "Saving…" : "Save"}
          </button>
        )}
        <button onClick={() => void download(file.path).catch(tellError)} title="Download">
          <Icon name="download" /> <span class="wide">Download</span>
        </button>
        <button class="danger" onClick={onDelete} title="Delete">
          <Icon name="trash" />
          <span class="sr">Delete {file.name}</span>
        </button>
      </div>
      {standing === "conflict" && (
        <p class="conflict" role="alert">
          The file has changed on the disk since it was opened here.
          <button onClick={() => void file.load()}>Load what is there</button>
          <button class="danger" onClick={() => store(true)}>
            Replace it with mine
          </button>
        </p>
      )}
      {standing === "removed" && (
        <p class="conflict" role="alert">
          The file was removed. <button onClick={() => store(true)}>Save it again</button>
        </p>
      )}
      {isText && shown.why !== undefined && <p class="conflict">{shown.why}</p>}
      {isText && (
        <Text
          key={String(shown.isReadOnly)}
          file={file}
          shown={shown}
          onMade={(made) => (editor.current = made)}
          onSave={store}
        />
      )}
      {shown.kind === "picture" && (
        <div class="picture">
          <img src={shown.url} alt={file.name} />
        </div>
      )}
      {shown.kind === "other" && <p class="empty">{shown.text}</p>}
      {shown.kind === "loading" && <p class="empty">Reading…</p>}
    </div>
  );
}

interface TextProps {
  readonly file: OpenFile;
  readonly shown: { readonly text: string; readonly isReadOnly: boolean };
  readonly onMade: (editor: CodeEditor) => void;
  readonly onSave: (isForced: boolean) => void;
}

function Text({ file, shown, onMade, onSave }: TextProps) {
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<CodeEditor | undefined>(undefined);
  useEffect(() => {
    if (!host.current) return undefined;
    const made = new CodeEditor({
      parent: host.current,
      text: shown.text,
      language: languageOfFile(file.name),
      label: `Content of ${file.name}`,
      isReadOnly: shown.isReadOnly,
      keys: { "Mod-s": () => onSave(false) },
      onChange: () => file.edited(),
    });
    editor.current = made;
    onMade(made);
    return () => made.close();
  }, []);
  useEffect(() => {
    if (editor.current) editor.current.text = shown.text;
  }, [shown]);
  return <div class="editor" ref={host} />;
}
