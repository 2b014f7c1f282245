import type { Outcome, RouteAction, RouteInput } from "./route.ts";

/** Files that a handler names for the record; of more it says only how much was sent. */
export const MOST_CONCERNED = 20;

/** What a request did, for the record. */
export interface RequestAction extends Pick<RouteAction, "kind" | "name"> {
  readonly paths: readonly string[];
  /** Of the request's body, as declared. */
  readonly bytes: number | undefined;
}

/** Reads what it needs before the handler may change it. */
export function actionOf(
  action: RouteAction,
  input: RouteInput<unknown, unknown, unknown>,
  { headers }: Request,
  concerned: readonly string[],
): (outcome?: Outcome) => RequestAction {
  const length = headers.get("content-length");
  const bytes = length === null ? undefined : Number(length);
  const { kind, name } = action;
  return (outcome) => ({
    kind,
    name,
    bytes,
    paths: [...(action.paths?.(input, outcome) ?? []), ...concerned],
  });
}
