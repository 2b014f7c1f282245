import { effect } from "@preact/signals";
import { access, call, online } from "./api.ts";

const USUAL_MS = 10_000;
const LOST_MS = 1_000;

/** Asks the daemon whether it is there: seldom while it is, often while it is not. */
export function watchConnection(): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const ask = async () => {
    await call("ping").catch(() => undefined);
    plan();
  };
  const plan = () => {
    clearTimeout(timer);
    timer = setTimeout(() => void ask(), online.value ? USUAL_MS : LOST_MS);
  };
  effect(plan);
  addEventListener("online", () => void ask());
  addEventListener("offline", () => (online.value = false));
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") void ask();
  });
}

/** Settles as soon as the daemon can be reached and the browser is logged in. */
export function reachable(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      stop();
      resolve();
    };
    const stop = effect(() => {
      // Later, because an effect cannot be ended while it begins.
      if (online.value && access.value === "in") queueMicrotask(finish);
    });
    signal.addEventListener("abort", finish, { once: true });
  });
}

/** Asked anew after every wait, which the compiler does not know to change it. */
export function isOver({ aborted }: AbortSignal): boolean {
  return aborted;
}
