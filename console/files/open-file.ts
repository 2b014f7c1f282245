import { signal } from "@preact/signals";
import { ApiError, call, json } from "../api.ts";

interface Content {
  readonly content: string;
  readonly etag: string;
  readonly size: number;
}

export type Shown =
  | { readonly kind: "loading" }
  | { readonly kind: "text"; readonly text: string; readonly isReadOnly: boolean; readonly why?: string }
  | { readonly kind: "picture"; readonly url: string }
  | { readonly kind: "other"; readonly text: string };

/** How the file on the disk stands to the one on the page. */
export type Standing = "same" | "edited" | "saving" | "conflict" | "removed";

const PICTURES: Readonly<Record<string, string>> = {
  ...{ png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif" },
  ...{ webp: "image/webp", svg: "image/svg+xml", bmp: "image/bmp" },
};
const MOST_TEXT = 2 * 1024 * 1024;

/** A file that is looked at or edited. It is saved only over the version that was read. */
export class OpenFile {
  readonly shown = signal<Shown>({ kind: "loading" });
  readonly standing = signal<Standing>("same");
  #etag = "";
  #lineEnd = "\n";

  constructor(
    readonly path: string,
    readonly size: number,
  ) {
    void this.load();
  }

  get name(): string {
    return this.path.split("/").at(-1) ?? this.path;
  }

  async load(): Promise<void> {
    try {
      const picture = PICTURES[/\.(\w+)$/.exec(this.name.toLowerCase())?.[1] ?? ""];
      if (picture !== undefined && this.size < 20 * MOST_TEXT) await this.#loadPicture(picture);
      else if (this.size > MOST_TEXT)
        this.shown.value = { kind: "other", text: "It is too large to be edited here. Download it instead." };
      else await this.#loadText();
      this.standing.value = "same";
    } catch (error) {
      this.shown.value = { kind: "other", text: error instanceof Error ? error.message : String(error) };
    }
  }

  /** @param isForced Whatever is on the disk by now is replaced. @throws ApiError but for a conflict. */
  async save(text: string, isForced = false): Promise<void> {
    this.standing.value = "saving";
    try {
      const content = this.#lineEnd === "\n" ? text : text.replaceAll("\n", this.#lineEnd);
      const headers = isForced ? {} : { "If-Match": this.#etag };
      const { etag } = await json<Content>("files/write", {
        method: "POST",
        body: { path: this.path, content },
        headers,
      });
      this.#etag = etag;
      this.standing.value = "same";
    } catch (error) {
      const isConflict = error instanceof ApiError && error.status === 412;
      this.standing.value = isConflict ? "conflict" : "edited";
      if (!isConflict) throw error;
    }
  }

  edited(): void {
    if (this.standing.value === "same") this.standing.value = "edited";
  }

  /** Looks at what the disk has now: taken over at once when nothing would be lost. */
  async changedOnDisk(): Promise<void> {
    if (this.shown.value.kind !== "text" || this.standing.value === "saving") return;
    const now = await call("files/download", { method: "HEAD", query: { path: this.path } }).catch(
      (error: unknown) => (error instanceof ApiError && error.status === 404 ? undefined : null),
    );
    if (now === null || now?.headers.get("etag") === this.#etag) return;
    if (now === undefined) this.standing.value = "removed";
    else if (this.standing.value === "same" || this.standing.value === "removed") await this.load();
    else this.standing.value = "conflict";
  }

  async #loadPicture(type: string): Promise<void> {
    const answer = await call("files/download", { query: { path: this.path }, headers: { Accept: "*/*" } });
    const blob = new Blob([await answer.arrayBuffer()], { type });
    this.shown.value = { kind: "picture", url: URL.createObjectURL(blob) };
  }

  async #loadText(): Promise<void> {
    const { content, etag } = await json<Content>("files/read", { query: { path: this.path } });
    this.#etag = etag;
    if (/[\0\ufffd]/.test(content)) {
      this.shown.value = { kind: "other", text: "It is not text. Download it to look at it." };
      return;
    }
    const ends = new Set(content.match(/\r\n|\r|\n/g));
    this.#lineEnd = ends.size === 1 && ends.has("\r\n") ? "\r\n" : "\n";
    // An editor keeps one kind only, and saving would change lines that nobody has touched.
    const isMixed = ends.size > 1 || ends.has("\r");
    const why = isMixed ? { why: "Its lines end in different ways, so it is shown and not edited." } : {};
    this.shown.value = { kind: "text", text: content.replaceAll("\r\n", "\n"), isReadOnly: isMixed, ...why };
  }
}
