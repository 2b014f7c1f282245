import { existsSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { hashKey } from "./build-key.ts";
import type { Argv, PlanContext } from "./languages.ts";

/** $1 javac, $2 java, $3 source directory, $4 source file, $5 where the classes go, $6 main class. */
const BUILD_AND_RUN = `
here=$PWD
cd "$3" && "$1" -encoding UTF-8 -d classes -cp "$here" "$4" || exit 1
mkdir -p "\${5%/*}" && mv classes "$5.$$" && { mv -T "$5.$$" "$5" 2>/dev/null || [ -d "$5" ]; } || exit 1
cd "$here" && exec "$2" -cp "$5:$here" "$6"`;

/**
 * Compiles and runs a single-file Java program; the class that the file declares first, or its public one, is
 * run. Compiled from its own directory, so that messages say `Main.java:3`. The classes are kept for when the
 * same program comes again.
 */
export async function planJava({ code, program, cache, write }: PlanContext): Promise<Argv> {
  const compiler = realpathSync(program);
  const runner = join(dirname(compiler), "java");
  const { file, mainClass } = nameProgram(code);
  const key = hashKey(code, compiler, String(statSync(compiler).mtimeMs));
  const classes = join(cache, "java", key, "classes");
  if (existsSync(classes))
    return ["/bin/sh", "-c", 'exec "$1" -cp "$2:$PWD" "$3"', "java", runner, classes, mainClass];
  const source = await write(file, code);
  return ["/bin/sh", "-c", BUILD_AND_RUN, "java", program, runner, dirname(source), file, classes, mainClass];
}

/** A public class must be in a file of its name (Java Language Specification 7.6). */
function nameProgram(code: string): { file: string; mainClass: string } {
  const text = code.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
  const declaration =
    /^[ \t]*(?:(?:abstract|final|strictfp|sealed|non-sealed)\s+)*(?:class|record|enum|interface)\s+(\w+)/m;
  const publicOne =
    /^[ \t]*public\s+(?:(?:abstract|final|strictfp|sealed|non-sealed)\s+)*(?:class|record|enum|interface)\s+(\w+)/m;
  const name = publicOne.exec(text)?.[1] ?? declaration.exec(text)?.[1] ?? "Main";
  const inPackage = /^\s*package\s+([\w.]+)\s*;/m.exec(text)?.[1];
  return { file: `${name}.java`, mainClass: inPackage === undefined ? name : `${inPackage}.${name}` };
}
