import { signal } from "@preact/signals";
import { Icon } from "./icons.tsx";

interface Notice {
  readonly id: number;
  readonly text: string;
  readonly isError: boolean;
}

const MOST = 4;
const SHOWN_MS = 6000;
const notices = signal<readonly Notice[]>([]);
let last = 0;

/** Says something for a few seconds; errors stay until they are closed. */
export function tell(text: string, { isError = false } = {}): void {
  const id = ++last;
  notices.value = [...notices.value, { id, text, isError }].slice(-MOST);
  if (!isError) setTimeout(() => close(id), SHOWN_MS);
}

export function tellError(error: unknown): void {
  tell(error instanceof Error ? error.message : String(error), { isError: true });
}

function close(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

export function Notices() {
  return (
    <div class="notices" role="status">
      {notices.value.map(({ id, text, isError }) => (
        <div key={id} class={isError ? "notice bad" : "notice"}>
          <span>{text}</span>
          <button class="quiet" onClick={() => close(id)}>
            <Icon name="close" />
            <span class="sr">Close</span>
          </button>
        </div>
      ))}
    </div>
  );
}
