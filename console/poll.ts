import { useEffect, useState } from "preact/hooks";
import { access, ApiError, describe, online } from "./api.ts";

export interface Polled<T> {
  readonly data: T | undefined;
  readonly error: string | undefined;
  /** 404, 400...; what an empty state may depend on. */
  readonly status: number | undefined;
  reload(): void;
}

/** Asks again and again while the tab is looked at; keeps the last good answer. */
export function usePoll<T>(
  isActive: boolean,
  everyMs: number,
  ask: (signal: AbortSignal) => Promise<T>,
): Polled<T> {
  const [state, setState] = useState<Omit<Polled<T>, "reload">>({
    data: undefined,
    error: undefined,
    status: undefined,
  });
  const [round, setRound] = useState(0);
  const [isIn, isOnline] = [access.value === "in", online.value];
  useEffect(() => {
    if (!isActive || !isIn || !isOnline) return undefined;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const turn = async () => {
      try {
        const data = await ask(stop.signal);
        if (!stop.signal.aborted) setState({ data, error: undefined, status: 200 });
      } catch (error) {
        if (stop.signal.aborted) return;
        const status = error instanceof ApiError ? error.status : undefined;
        setState((before) => ({ ...before, error: describe(error), status }));
      }
      if (!stop.signal.aborted) timer = setTimeout(() => void turn(), everyMs);
    };
    void turn();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [isActive, isIn, isOnline, everyMs, round]);
  return { ...state, reload: () => setRound((number) => number + 1) };
}
