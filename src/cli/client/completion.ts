import { Argument, Command } from "commander";
import { print } from "../output.ts";

/** `sanderling completion`: what a shell needs to complete our verbs and options. */
export function completionCommand(all: () => Promise<readonly Command[]>): Command {
  const command = new Command("completion")
    .description("print the completion script of a shell")
    .addArgument(new Argument("<SHELL>", "the shell").choices(["bash", "zsh", "fish"]));
  command.addHelpText(
    "after",
    "\nExamples:\n  source <(sanderling completion bash)\n  sanderling completion zsh > ~/.zfunc/_sanderling\n  sanderling completion fish > ~/.config/fish/completions/sanderling.fish",
  );
  return command.action(async (shell: "bash" | "zsh" | "fish") => {
    const verbs = (await all()).map(toVerb);
    print({ bash: bashScript, zsh: zshScript, fish: fishScript }[shell](verbs));
  });
}

interface Verb {
  readonly name: string;
  readonly about: string;
  /** Options and verbs below it. */
  readonly words: readonly string[];
  readonly takesFiles: boolean;
}

function toVerb(command: Command): Verb {
  const options = command.options
    .flatMap(({ short, long }) => [short, long])
    .filter((word) => word !== undefined);
  return {
    name: command.name(),
    about: command.description(),
    words: [...command.commands.map((one) => one.name()), ...options, "--help"],
    takesFiles: ["run", "cp"].includes(command.name()),
  };
}

function bashScript(verbs: readonly Verb[]): string {
  const cases = verbs.map(({ name, words, takesFiles }) => {
    const files = takesFiles ? ' $(compgen -f -- "$word")' : "";
    return `    ${name}) COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$word")${files}) ;;`;
  });
  return [
    "# bash completion of sanderling",
    "_sanderling() {",
    '  local word="${COMP_WORDS[COMP_CWORD]}"',
    `  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "${verbs.map(({ name }) => name).join(" ")}" -- "$word")); return; fi`,
    '  case "${COMP_WORDS[1]}" in',
    ...cases,
    "  esac",
    "}",
    "complete -F _sanderling sanderling",
  ].join("\n");
}

function zshScript(verbs: readonly Verb[]): string {
  const quoted = (text: string) => `'${text.replaceAll("'", "'\\''").replaceAll(":", "\\:")}'`;
  const cases = verbs.map(
    ({ name, words, takesFiles }) =>
      `    ${name}) compadd -- ${words.join(" ")}${takesFiles ? "; _files" : ""} ;;`,
  );
  return [
    "#compdef sanderling",
    "_sanderling() {",
    "  if (( CURRENT == 2 )); then",
    "    local -a verbs=(",
    ...verbs.map(({ name, about }) => `      ${quoted(name)}:${quoted(about)}`),
    "    )",
    "    _describe verb verbs",
    "    return",
    "  fi",
    '  case "$words[2]" in',
    ...cases,
    "  esac",
    "}",
    'if [ "$funcstack[1]" = _sanderling ]; then _sanderling "$@"; else compdef _sanderling sanderling; fi',
  ].join("\n");
}

function fishScript(verbs: readonly Verb[]): string {
  const quoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  return [
    "# fish completion of sanderling",
    "complete -c sanderling -f",
    ...verbs.flatMap(({ name, about, words, takesFiles }) => [
      `complete -c sanderling -n __fish_use_subcommand -a ${name} -d ${quoted(about)}`,
      `complete -c sanderling -n '__fish_seen_subcommand_from ${name}' -a ${quoted(words.join(" "))}`,
      ...(takesFiles ? [`complete -c sanderling -n '__fish_seen_subcommand_from ${name}' -F`] : []),
    ]),
  ].join("\n");
}
