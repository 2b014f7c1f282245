/** The parameters of a request; one that is repeated gives a list (contracts/opensandbox-execd.md, 9.2). */
export function readQuery(request: Request): Readonly<Record<string, string | readonly string[]>> {
  const parameters = new URL(request.url).searchParams;
  const names = new Set(parameters.keys());
  return Object.fromEntries(
    [...names].map((name) => {
      const values = parameters.getAll(name);
      return [name, values.length === 1 ? (values[0] ?? "") : values];
    }),
  );
}
