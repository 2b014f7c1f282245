import { UsageError } from "./arguments.ts";
import { nameOf, type Subject } from "./scenario.ts";

/** The subjects and scenarios that were named, in the order of the catalogue; all when none was. @throws UsageError */
export function select(catalogue: readonly Subject[], only: readonly string[]): readonly Subject[] {
  const names = new Set(
    catalogue.flatMap((subject) => [subject.name, ...subject.scenarios.map((it) => nameOf(subject, it))]),
  );
  for (const name of only)
    if (!names.has(name))
      throw new UsageError(`--only: there is no subject or scenario ${name}; --list shows them`);
  if (only.length === 0) return catalogue;
  return catalogue.flatMap((subject) => {
    const scenarios = subject.scenarios.filter(
      (it) => only.includes(subject.name) || only.includes(nameOf(subject, it)),
    );
    return scenarios.length === 0 ? [] : [{ ...subject, scenarios }];
  });
}
