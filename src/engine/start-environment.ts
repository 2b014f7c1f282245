import type { Environment } from "./environment.ts";

/**
 * Variables that an interpreter, its loader or its libraries read once, when they start: to change them in a
 * process that waits for its program would do nothing.
 */
const READ_AT_START =
  /^(PYTHON|NODE_|UV_|ICU_|LD_|LC_|LANG$|LANGUAGE$|TZ$|HOME$|MALLOC_|GLIBC_|OMP_|GOMP_|KMP_|MKL_|OPENBLAS_|BLIS_|NUMEXPR_|NUMPY_|NPY_|PANDAS_|MPL|MATPLOTLIB|XDG_|SSL_|OPENSSL_|VIRTUAL_ENV|CONDA_|IPYTHON|JUPYTER|DENO_|JAVA_|JDK_|PYZMQ_|TORNADO_|TRAITLETS_|PYDEVD_|DEBUGPY_|GEVENT_)/;

/** With these an interpreter says or counts something while it starts and loads, which is part of the program's output. */
const TELLS_OF_START =
  /^(PYTHON(VERBOSE|DEBUG|INSPECT|WARNINGS|TRACEMALLOC|PROFILEIMPORTTIME|DUMPREFS|DEVMODE)|NODE_OPTIONS|NODE_DEBUG|NODE_V8_COVERAGE)$/;

/** Whether an interpreter with this environment can be started before its program is known. */
export function canStartAhead(env: Environment): boolean {
  return !Object.keys(env).some((name) => TELLS_OF_START.test(name));
}

/** Whether an interpreter that was started with `start` is the same as one started with `wanted`. */
export function startsAlike(start: Environment, wanted: Environment): boolean {
  const isSame = (name: string) => !READ_AT_START.test(name) || start[name] === wanted[name];
  return Object.keys(wanted).every(isSame) && Object.keys(start).every(isSame);
}
