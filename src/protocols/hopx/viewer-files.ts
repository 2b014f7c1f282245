import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const PACKAGE = join(import.meta.dir, "../../../node_modules/@novnc/novnc");

/**
 * The text of each module of noVNC by its path. Called as a macro: they are read while this program is read or
 * built, so that the executable has them and needs no packages.
 */
export function readViewerFiles(): Record<string, string> {
  const paths = ["core", "vendor"].flatMap((folder) =>
    readdirSync(join(PACKAGE, folder), { recursive: true, encoding: "utf8" }).map((name) =>
      join(folder, name),
    ),
  );
  const modules = paths.filter((path) => path.endsWith(".js"));
  return Object.fromEntries(modules.map((path) => [path, readFileSync(join(PACKAGE, path), "utf8")]));
}
