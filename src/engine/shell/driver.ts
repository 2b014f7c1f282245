import { resolve } from "node:path";
import type { Environment } from "../environment.ts";

/**
 * What a session's bash is told on its control pipe, one line each. The shell is interactive, because only such a
 * shell goes on after an interrupt: SIGINT takes it back to its next line, whatever it was doing, with everything
 * it knows. Between commands its own streams lead nowhere, so that prompts and the like are never seen; each
 * command gets the session's pipes (61, 62), and neither they nor the report (60) nor the control pipe are open
 * to it under those numbers: bash moves them out of the way, closed to every program it starts.
 */
const REPORT = 60;
const STDOUT = 61;
const STDERR = 62;
/** With these numbers and one to open files by. */
const LEAST_OPEN_FILES = 64;

/**
 * `exit` ends the command: in the session's own shell it interrupts it, with the status told by the report; in
 * subshells it is what it always is. A trap for SIGINT is put back after the command. `ulimit` refuses what would be the
 * end of the session's own shell.
 */
const FUNCTIONS = [
  "exit() {",
  "  _sanderling_exit=${1-$?};",
  '  if (( BASH_SUBSHELL )); then builtin exit "$_sanderling_exit"; fi;',
  "  [[ $_sanderling_exit == *[!0-9]* ]] && _sanderling_exit=2;",
  "  _sanderling_exit=$(( _sanderling_exit & 255 ));",
  "  _sanderling_int=$(trap -p INT);",
  "  trap - INT;",
  "  kill -INT $$;",
  "};",
  // A shell that may not have its own descriptors would be lost, so it is tried in a subshell first.
  "ulimit() {",
  `  if (( ! BASH_SUBSHELL )) && ! ( \\builtin ulimit "$@" || \\builtin exit 0; : ${LEAST_OPEN_FILES - 1}<&0 ) &>/dev/null; then`,
  `    \\builtin echo "bash: ulimit: the shell of a session needs ${LEAST_OPEN_FILES} open files: limit what it runs, in ( )" >&2;`,
  "    return 1;",
  "  fi;",
  '  \\builtin ulimit "$@";',
  "};",
  // Everything a shell knows, as commands; the mark is made last, so that a torn file is not taken for a whole.
  "_sanderling_keep() {",
  '  { declare -p; declare -f; alias -p; trap -p; umask -p; printf \'cd -- %q\\n\' "$PWD"; shopt -p; set +o; } >"$1";',
  '  : >"$1.whole";',
  "}",
].join(" ");

/**
 * The first line.
 * @param directory Where the shell keeps what it knows; its user may write there.
 * @param earlier Files of an earlier shell of this session, the latest first: the first whole one is taken over.
 */
export function beginLine(directory: string, earlier: readonly string[]): string {
  const restore = earlier.map(
    (file) => `[[ -e ${quote(`${file}.whole`)} ]]; then \\builtin . ${quote(file)}`,
  );
  return [
    `exec ${REPORT}>&3 3>&- ${STDOUT}>&1 ${STDERR}>&2 1>/dev/null 2>/dev/null`,
    ...(restore.length > 0 ? [`if ${restore.join("; elif ")}; fi`] : []),
    "set +o history +H",
    "unset HISTFILE MAILCHECK",
    FUNCTIONS,
    // Runs where the shell ends on its own account, as with `set -e`.
    `trap ${quote(`_sanderling_keep ${quote(`${directory}/exit`)}`)} EXIT`,
    readyLine(0),
  ].join("; ");
}

/** Runs what is in a command's file; `cd` first where the command has a directory of its own. */
export function commandLine(file: string, cwd: string | undefined): string {
  const enter = cwd === undefined ? "" : `\\builtin cd -- ${quote(resolve(cwd))}; `;
  return `${enter}\\builtin . ${quote(file)}`;
}

/**
 * What a command's file has in it. `eval`, because a syntax error names what the text was read from, and the file is
 * nobody's business. Its status is kept and not passed on: for that a trap for ERR would run once more.
 */
export function commandFile(text: string, trace: Environment): string {
  const streams = `</dev/null >&${STDOUT} 2>&${STDERR} ${REPORT}>&- ${STDOUT}>&- ${STDERR}>&-`;
  // On one line with what comes first, because messages count from there.
  return `${continueTrace(trace)}; \\builtin eval ${quote(text)} ${streams}\n_sanderling_exit=$?\n`;
}

/**
 * The trace of the request, for what the command starts; none where it has none. A value of the user's own stays: only
 * what was put there for the command before is replaced.
 */
function continueTrace({ TRACEPARENT: parent = "", TRACESTATE: state = "" }: Environment): string {
  const isOurs = '[[ ${TRACEPARENT-} == "${_sanderling_trace-}" ]]';
  const change = [
    "\\builtin unset TRACEPARENT TRACESTATE",
    `_sanderling_trace=${quote(parent)}`,
    ...(parent === "" ? [] : [`\\builtin export TRACEPARENT=${quote(parent)}`]),
    ...(state === "" ? [] : [`\\builtin export TRACESTATE=${quote(state)}`]),
  ];
  return `if ${isOurs}; then ${change.join("; ")}; fi`;
}

/** Tells how the command ended. A second report of the same command is no news, so it may be asked for again. */
export function reportLine(sequence: number): string {
  const status = '"${_sanderling_exit-$?}"';
  return [
    `\\builtin printf 'done %s %s\\n' ${sequence} ${status} >&${REPORT}`,
    '\\builtin eval "${_sanderling_int-}"',
    "\\builtin unset _sanderling_exit _sanderling_int",
  ].join("; ");
}

/** Writes down what the shell knows, for the shell that may have to replace it. */
export function keepLine(file: string, sequence: number): string {
  return `_sanderling_keep ${quote(file)} || :; ${report(`kept ${sequence} 0`)}`;
}

/** Tells that the shell takes lines. */
export function readyLine(sequence: number): string {
  return report(`ready ${sequence} 0`);
}

function report(text: string): string {
  return `\\builtin printf '${text}\\n' >&${REPORT}`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
