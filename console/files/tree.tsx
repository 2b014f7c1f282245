import { useState } from "preact/hooks";
import { bytes } from "../format.ts";
import { Icon } from "../icons.tsx";
import type { Entries, Entry } from "./entries.ts";

interface TreeProps {
  readonly entries: Entries;
  readonly current: string | undefined;
  readonly onOpen: (entry: Entry) => void;
  /** Files were dropped on a directory. */
  readonly onDrop: (files: readonly File[], directory: string) => void;
}

/** Buttons in nested lists: arrow keys go up and down, right and left open and fold. */
export function Tree(props: TreeProps) {
  const onKeyDown = (event: KeyboardEvent & { currentTarget: HTMLElement }) => {
    const rows = [...event.currentTarget.querySelectorAll<HTMLElement>("[data-row]")];
    const at = rows.findIndex((row) => row === document.activeElement);
    const row = rows[at];
    if (!row) return;
    const isOpen = row.getAttribute("aria-expanded");
    if (event.key === "ArrowDown") rows[at + 1]?.focus();
    else if (event.key === "ArrowUp") rows[at - 1]?.focus();
    else if (event.key === "ArrowRight" && isOpen === "false") row.click();
    else if (event.key === "ArrowLeft" && isOpen === "true") row.click();
    else return;
    event.preventDefault();
  };
  return (
    <nav class="tree" aria-label="Files" onKeyDown={onKeyDown}>
      <Directory {...props} path={props.entries.root} depth={0} />
    </nav>
  );
}

function Directory({ path, depth, ...props }: TreeProps & { readonly path: string; readonly depth: number }) {
  const listing = props.entries.lists.value.get(path);
  const indent = { "--depth": depth };
  if (listing === undefined || listing.kind === "loading")
    return (
      <p class="tree-note" style={indent}>
        Reading…
      </p>
    );
  if (listing.kind === "error")
    return (
      <p class="tree-note error" style={indent}>
        {listing.text}
      </p>
    );
  if (listing.entries.length === 0)
    return (
      <p class="tree-note" style={indent}>
        {depth === 0 ? "Nothing here yet. Drop files to upload them." : "empty"}
      </p>
    );
  return (
    <ul>
      {listing.entries.map((entry) => (
        <Row key={entry.path} {...props} entry={entry} depth={depth} />
      ))}
      {listing.isTruncated && (
        <li class="tree-note" style={indent}>
          There are more than are shown.
        </li>
      )}
    </ul>
  );
}

function Row({ entry, depth, ...props }: TreeProps & { readonly entry: Entry; readonly depth: number }) {
  const [isOver, setIsOver] = useState(false);
  const { entries, current, onOpen, onDrop } = props;
  const isOpen = entries.lists.value.has(entry.path);
  const choose = () => {
    if (!entry.is_directory) onOpen(entry);
    else if (isOpen) entries.fold(entry.path);
    else void entries.open(entry.path);
  };
  const drop = (event: DragEvent) => {
    if (!entry.is_directory) return;
    event.preventDefault();
    event.stopPropagation();
    setIsOver(false);
    onDrop([...(event.dataTransfer?.files ?? [])], entry.path);
  };
  return (
    <li>
      <button
        data-row
        data-over={isOver}
        aria-expanded={entry.is_directory ? isOpen : undefined}
        aria-current={current === entry.path ? "true" : undefined}
        style={{ "--depth": depth }}
        onClick={choose}
        onDragOver={(event) => {
          if (!entry.is_directory) return;
          event.preventDefault();
          setIsOver(true);
        }}
        onDragLeave={() => setIsOver(false)}
        onDrop={drop}
      >
        {entry.is_directory ? <Icon name={isOpen ? "down" : "right"} /> : <span class="icon" />}
        <Icon name={entry.is_directory ? "folder" : entry.type === "symlink" ? "link" : "file"} />
        <span class="name">{entry.name}</span>
        {!entry.is_directory && <span class="hint">{bytes(entry.size)}</span>}
      </button>
      {entry.is_directory && isOpen && <Directory {...props} path={entry.path} depth={depth + 1} />}
    </li>
  );
}
