import { chownSync, mkdirSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { EngineError } from "../error.ts";
import type { Desktop } from "./desktop.ts";
import { Recording, recorderArgv, RECORDING_FORMATS, type RecordingOptions } from "./recording.ts";
import type { Session } from "./session.ts";

/** Recordings remembered; the files of those that are forgotten stay. */
const MOST_KEPT = 100;
/** Encoding costs a processor each. */
const MOST_AT_ONCE = 2;
const FIRST_PICTURE_MS = 5000;

/** The recordings of the desktop, those under way and those that have ended lately. */
export class Recordings implements AsyncDisposable {
  readonly #desktop: Desktop;
  readonly #kept = new Map<string, Recording>();
  /** Starts one after the other, so that their number is bounded. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(desktop: Desktop) {
    this.#desktop = desktop;
    desktop.onStart((session) => {
      session.x.listen((event) => {
        if (event.code === session.screens.screenChanged) void this.#screenChanged(session);
      });
    });
  }

  /** The newest first. */
  list(): Recording[] {
    return [...this.#kept.values()].toReversed();
  }

  /** The one of this id, or the newest. @throws EngineError `not_found`. */
  get(id: string | undefined): Recording {
    const found = id === undefined ? this.list()[0] : this.#kept.get(id);
    if (found) return found;
    const what = id === undefined ? "no recording yet" : `no recording ${id}`;
    throw new EngineError("not_found", `There is ${what}`);
  }

  /**
   * Starts one; the file is there when this settles.
   * @param path Absent: below `recordings` in the workspace.
   * @throws EngineError `busy`, `invalid` for a name that says another format, or as `Desktop.use`.
   */
  start(options: RecordingOptions, path?: string): Promise<Recording> {
    const started = this.#last.then(() => this.#start(options, path));
    this.#last = started.catch(() => undefined);
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#underWay().map((recording) => recording.stop()));
  }

  async #start(options: RecordingOptions, given: string | undefined): Promise<Recording> {
    const session = await this.#desktop.use("recording");
    if (this.#underWay().length >= MOST_AT_ONCE)
      throw new EngineError(
        "busy",
        `Cannot record: ${MOST_AT_ONCE} recordings are under way, which is the limit`,
      );
    const id = `rec_${Bun.randomUUIDv7().replaceAll("-", "")}`;
    const path = given ?? join(this.#desktop.host.workspace, "recordings", `${id}.${options.format}`);
    requireFormat(path, options);
    if (given === undefined) this.#makeDirectory(dirname(path));
    const size = await session.screens.size();
    const run = await session.startProgram(recorderArgv(session.display, size, path, options));
    void this.#desktop.log.follow("ffmpeg", run);
    const recording = new Recording(id, path, options, run);
    await this.#firstPicture(recording);
    this.#keep(recording);
    return recording;
  }

  /** A recorder that cannot begin at all is told now and not later. */
  async #firstPicture(recording: Recording): Promise<void> {
    const deadline = performance.now() + FIRST_PICTURE_MS;
    // The recorder tells of its file only by writing it.
    while (recording.bytes === 0 && !recording.run.hasEnded && performance.now() < deadline)
      await new Promise((resume) => setTimeout(resume, 20));
    if (recording.bytes > 0) return;
    const { reason } = await recording.stop();
    throw new EngineError("invalid", `Cannot record to ${recording.path}: ${reason}`);
  }

  #keep(recording: Recording): void {
    this.#kept.set(recording.id, recording);
    for (const [id, one] of this.#kept) {
      if (this.#kept.size <= MOST_KEPT) return;
      if (one.end) this.#kept.delete(id);
    }
  }

  #underWay(): Recording[] {
    return [...this.#kept.values()].filter(({ end }) => end === undefined);
  }

  /** A film has one size: what is recorded ends here, whole, and says why. */
  async #screenChanged(session: Session): Promise<void> {
    if (!session.x.isOpen) return;
    await Promise.all(this.#underWay().map((recording) => recording.stop("resolution_changed")));
  }

  #makeDirectory(path: string): void {
    const { user } = this.#desktop.host;
    const made = mkdirSync(path, { recursive: true });
    if (made !== undefined && user) chownSync(path, user.uid, user.gid);
  }
}

function requireFormat(path: string, { format }: RecordingOptions): void {
  const ending = extname(path).slice(1).toLowerCase();
  const told = RECORDING_FORMATS.find((one) => one === ending);
  if (told === undefined || told === format) return;
  throw new EngineError("invalid", `Cannot record ${format} to ${path}: its name says ${told}`);
}
