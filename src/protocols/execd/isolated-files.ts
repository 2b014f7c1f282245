import { isAbsolute, normalize } from "node:path";
import { EngineError } from "../../engine/error.ts";
import { isInside } from "../../engine/files/paths.ts";
import type { PlacedMount } from "../../engine/isolation/spec.ts";
import { expandPath } from "./expand.ts";
import type { FileMount } from "./file-view.ts";
import { isolatedSession, SESSION, sessionParams } from "./isolated.ts";
import { routesOf } from "./mounts.ts";

/** The file routes on what a session may use; paths are those that its programs see. */
const mount: FileMount = {
  prefix: SESSION,
  params: sessionParams,
  tellsCounts: true,
  view: (params, context, use) => {
    const session = isolatedSession(sessionParams.parse(params).sessionId, context);
    const { engine } = context;
    const mounts = session.mounts.filter(({ mode }) => use === "read" || mode !== "ro");
    return {
      paths: engine.pathsWithin(mounts, session.user),
      locate: (path) => locate(expandPath(path, engine.environment), mounts, session.mounts),
      show: (path) => show(path, mounts),
    };
  },
};

export const isolatedFileRoutes = routesOf(mount);

/** Where a path of the session is outside of it: in the deepest mount that has it. */
function locate(path: string, usable: readonly PlacedMount[], all: readonly PlacedMount[]): string {
  const first = all[0]?.path ?? "/";
  const absolute = normalize(isAbsolute(path) ? path : `${first}/${path}`);
  const holds = (mounts: readonly PlacedMount[]) =>
    mounts.filter((one) => isInside(absolute, one.path)).sort((a, b) => b.path.length - a.path.length)[0];
  const mount = holds(all);
  if (mount === undefined)
    throw new EngineError("denied", `Path not allowed: ${path} is not in the session's workspace`);
  if (!usable.includes(mount))
    throw new EngineError("denied", `Cannot change ${path}: it is mounted read-only`);
  return mount.host + absolute.slice(mount.path.length);
}

function show(path: string, mounts: readonly PlacedMount[]): string {
  const mount = mounts
    .filter(({ host }) => isInside(path, host))
    .sort((a, b) => b.host.length - a.host.length)[0];
  return mount === undefined ? path : mount.path + path.slice(mount.host.length);
}
