import { bodyOf, textsAt, withActions, type Actions } from "../../http/actions.ts";
import type { Outcome, Route, RouteAction, RouteInput } from "../../http/route.ts";
import type { HopxContext } from "./context.ts";

type Input = RouteInput<unknown, unknown, unknown>;

/** The path that was really used stands in the answer, else the one that was asked for. */
function path({ body, query }: Input, outcome?: Outcome): string[] {
  const answered = textsAt(bodyOf(outcome), "path");
  return answered.length > 0 ? answered : [...textsAt(query, "path"), ...textsAt(body, "path")];
}

const named = ({ params }: Input) => textsAt(params, "id");
const file = (name: string): RouteAction => ({ kind: "file", name, paths: path });
const environment = (name: string): RouteAction => ({ kind: "environment", name });
const process = (name: string): RouteAction => ({ kind: "process", name, paths: named });

/** What the record of what was done says of each row that changes something; runs record themselves. */
const ACTIONS: Actions = {
  "POST /files/write": file("write"),
  "POST /files/upload": file("upload"),
  "POST /files/archive": file("unpack"),
  "POST /files/mkdir": file("mkdir"),
  "DELETE /files/remove": file("remove"),
  "PUT /files/signed": file("upload"),
  "PUT /env": environment("replace"),
  "PATCH /env": environment("change"),
  "DELETE /env": environment("clear"),
  "DELETE /env/{key}": environment("unset"),
  "DELETE /execute/kill": process("kill"),
  "POST /execute/kill/{id}": process("kill"),
};

/** Rows below it act on the display, unless they only look; the rest of their path says how. */
const DESKTOP = "/desktop/";

export function recorded(routes: readonly Route<HopxContext>[]): Route<HopxContext>[] {
  return withActions(routes, ({ method, path }) => {
    if (path.startsWith(DESKTOP) && method !== "GET" && method !== "ANY")
      return { kind: "desktop", name: path.slice(DESKTOP.length) };
    return ACTIONS[`${method} ${path}`];
  });
}

/** The rows that the list above speaks of; a test holds it against the table. */
export const RECORDED_ROWS = Object.keys(ACTIONS);
