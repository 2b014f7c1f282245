import { existsSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { hashKey } from "./build-key.ts";
import type { Argv, PlanContext } from "./languages.ts";

/**
 * $1 go, $2 overlay, $3 the source's true path, $4 the binary to make, $5 "keep" or "". The compiler names the
 * true path in its messages, absolute or relative; the user knows it as ./main.go. The binary appears under its name only when it is
 * whole; the shell becomes the program.
 */
const BUILD_AND_RUN = `
mkdir -p "\${4%/*}" || exit 1
"$1" build -overlay "$2" -o "$4.$$" main.go 2>"$3.log"
status=$?
run=\${3%/main.go}
sed "s#[^[:space:]]*/\${run##*/}/main[.]go#./main.go#g" "$3.log" >&2
[ "$status" = 0 ] || exit 1
if [ "$5" = keep ]; then mv -f "$4.$$" "$4" && exec "$4"; fi
exec "$4.$$"`;

/**
 * Builds and runs a Go program as if it were `main.go` in the working directory: the overlay (go help build)
 * puts it there for the compiler only, so messages say `./main.go:3:2` and a go.mod there counts. The same
 * program is not built twice, unless a module is around it whose packages may have changed.
 */
export async function planGo({ code, program, cwd, env, cache, write }: PlanContext): Promise<Argv> {
  const isInModule = findUpwards(cwd, "go.mod") !== undefined;
  const toolchain = realpathSync(program);
  const key = hashKey(
    code,
    toolchain,
    String(statSync(toolchain).mtimeMs),
    env["GOFLAGS"],
    env["CGO_ENABLED"],
    env["GOARCH"],
  );
  const binary = join(cache, "go", key, "main");
  if (!isInModule && existsSync(binary)) return [binary];
  const source = await write("main.go", code);
  const overlay = await write(
    "overlay.json",
    JSON.stringify({ Replace: { [join(cwd, "main.go")]: source } }),
  );
  const [target, keep] = isInModule ? [join(dirname(source), "main"), ""] : [binary, "keep"];
  return ["/bin/sh", "-c", BUILD_AND_RUN, "go", program, overlay, source, target, keep];
}

function findUpwards(directory: string, name: string): string | undefined {
  const file = join(directory, name);
  if (existsSync(file)) return file;
  return dirname(directory) === directory ? undefined : findUpwards(dirname(directory), name);
}
