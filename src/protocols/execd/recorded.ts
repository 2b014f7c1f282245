import { namesOf, textsAt, withActions, type Actions } from "../../http/actions.ts";
import type { Route, RouteAction, RouteInput } from "../../http/route.ts";
import type { ExecdContext } from "./context.ts";

type Input = RouteInput<unknown, unknown, unknown>;

const file = (name: string, paths?: (input: Input) => string[]): RouteAction => ({
  kind: "file",
  name,
  ...(paths && { paths }),
});
const byQuery = ({ query }: Input) =>
  typeof query === "object" && query !== null && "path" in query && Array.isArray(query.path)
    ? query.path.map(String)
    : [];
const byName = ({ body }: Input) => namesOf(body);
const moved = ({ body }: Input) =>
  Array.isArray(body) ? body.flatMap((one) => textsAt(one, "src", "dest")) : [];

/** What the record says of each file row that changes something, at whichever place it stands. */
const ACTIONS: Actions = {
  "POST /files/upload": file("upload"),
  "POST /files/mv": file("move", moved),
  "POST /files/replace": file("replace", byName),
  "POST /files/permissions": file("permissions", byName),
  "DELETE /files": file("remove", byQuery),
  "POST /directories": file("mkdir", byName),
  "DELETE /directories": file("remove", byQuery),
};

export function recorded(routes: readonly Route<ExecdContext>[]): Route<ExecdContext>[] {
  return withActions(routes, ({ method, path }) => {
    const own = /\/(?:files|directories)(?:\/\w+)?$/.exec(path)?.[0];
    return own === undefined ? undefined : ACTIONS[`${method} ${own}`];
  });
}

/** The rows that the list above speaks of; a test holds it against the table. */
export const RECORDED_ROWS = Object.keys(ACTIONS);
