import { readText, findText } from "./ocr.ts";
import { capture, waitUntilStable } from "./screenshot.ts";
import type { Session } from "./session.ts";
import { pause, refuseGone } from "./turns.ts";
import type { Rectangle } from "./x11/core.ts";
import { watchDamage } from "./x11/damage.ts";

export interface FoundElement extends Rectangle {
  readonly text: string;
  /** Told by the application, or read off the screen. */
  readonly source: "accessibility" | "ocr";
}

export interface TextWish {
  readonly text: string;
  readonly language: string;
  /** 0: looks once. */
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What is being drawn is looked at when it is whole, but not put off for ever. */
const WHOLE = { quietMs: 100, timeoutMs: 1000 };

/** Where a text is on the screen, or comes to be in time. Looks again only when something was drawn. */
export async function findElement(session: Session, wish: TextWish): Promise<FoundElement | undefined> {
  const deadline = performance.now() + wish.waitMs;
  using drawn = await watchDrawing(session);
  for (;;) {
    drawn.forget();
    const found = (await findTold(session, wish.text)) ?? (await findRead(session, wish));
    const left = deadline - performance.now();
    if (found || left <= 0) return found;
    await drawn.next(left, wish.signal);
    await waitUntilStable(session, WHOLE, wish.signal);
  }
}

interface Drawing extends Disposable {
  forget(): void;
  /** Settles when something has been drawn since `forget`, or the time is up. */
  next(ms: number, signal: AbortSignal | undefined): Promise<void>;
}

async function watchDrawing({ x }: Session): Promise<Drawing> {
  let drawn: PromiseWithResolvers<void> = Promise.withResolvers();
  const watching = await watchDamage(x, () => drawn.resolve());
  void x.closed.then(() => drawn.resolve());
  return {
    forget: () => (drawn = Promise.withResolvers()),
    next: async (ms, signal) => {
      const over = new AbortController();
      const any = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
      await Promise.race([drawn.promise, pause(ms, any).catch(() => undefined)]);
      over.abort();
      refuseGone(signal);
    },
    [Symbol.dispose]: () => watching[Symbol.dispose](),
  };
}

/** What applications tell is exact and quick, but not all do. */
async function findTold(session: Session, text: string): Promise<FoundElement | undefined> {
  const found = await (await session.listening())?.findByName(text);
  return found && { ...found.bounds, text: found.name, source: "accessibility" };
}

async function findRead(session: Session, wish: TextWish): Promise<FoundElement | undefined> {
  const frame = await capture(session);
  const { language, signal } = wish;
  const { words } = await readText(session.host, frame, { language, layout: "sparse", signal });
  const found = findText(words, wish.text);
  return found && { ...found, source: "ocr" };
}
