import type { Outcome, Route, RouteAction } from "./route.ts";

/** What the rows of a table do, by their method and path: `POST /files/write`. */
export type Actions = Readonly<Record<string, RouteAction>>;

/** Gives each row its action; what it does stands in one list for the whole API. */
export function withActions<Context>(
  routes: readonly Route<Context>[],
  find: (route: Route<Context>) => RouteAction | undefined,
): Route<Context>[] {
  return routes.map((route) => {
    const action = find(route);
    return action === undefined ? route : { ...route, action };
  });
}

/** Files that one entry of the record names; of more it says only how much was sent. */
const MOST_PATHS = 20;

/** The texts at these names of a checked input or of an answer's body, however deep the input is typed. */
export function textsAt(value: unknown, ...names: readonly string[]): string[] {
  if (typeof value !== "object" || value === null) return [];
  const found = new Map<string, unknown>(Object.entries(value));
  return names
    .flatMap((name) => found.get(name) ?? [])
    .filter((text) => typeof text === "string")
    .slice(0, MOST_PATHS);
}

/** The names of a map, such as the paths that a body gives permissions for. */
export function namesOf(value: unknown): string[] {
  return typeof value === "object" && value !== null ? Object.keys(value).slice(0, MOST_PATHS) : [];
}

/** What an answer says as JSON. */
export function bodyOf(outcome: Outcome | undefined): unknown {
  return outcome !== undefined && "body" in outcome && !(outcome instanceof Response)
    ? outcome.body
    : undefined;
}
