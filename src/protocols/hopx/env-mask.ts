import type { Environment } from "../../engine/environment.ts";

/** What some agents answer in place of a secret; a client that writes back what it read must not lose it. */
const MASK = "***MASKED***";

type Values = Readonly<Record<string, string | null>>;

/** To merge: a masked variable is not mentioned. */
export function withoutMasked(wanted: Values, current: Environment): Values {
  return Object.fromEntries(Object.entries(wanted).filter((entry) => !isMasked(entry, current)));
}

/** To replace: a masked variable has the value it has now. */
export function withMaskedFilled(wanted: Environment, current: Environment): Environment {
  const kept = Object.entries(wanted).filter((entry) => isMasked(entry, current));
  const values = kept.map(([name, value]): [string, string] => [name, current[name] ?? value]);
  return { ...wanted, ...Object.fromEntries(values) };
}

function isMasked([name, value]: readonly [string, string | null], current: Environment): boolean {
  return value === MASK && Object.hasOwn(current, name);
}
