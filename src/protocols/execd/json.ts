import { z } from "zod";

/**
 * A JSON text as the reference server's decoder takes it (contracts/opensandbox-execd.md, 1.5): one value, whatever
 * follows it; members by their name in any case. Of several spellings of one name the last counts.
 * @throws SyntaxError of the first value.
 */
export function parseLeniently(text: string, schema: z.ZodType): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = JSON.parse(text.slice(0, endOfFirst(text)));
  }
  return withDeclaredNames(value, schema);
}

/** Where the first object or list of a text ends; the length of the text when it does not, or begins with another value. */
function endOfFirst(text: string): number {
  let depth = 0;
  let isInString = false;
  for (let i = text.search(/\S/); i >= 0 && i < text.length; i++) {
    const character = text[i] ?? "";
    if (isInString && character === "\\") i++;
    else if (character === '"') isInString = !isInString;
    else if (isInString) continue;
    else if ("{[".includes(character)) depth++;
    else if ("}]".includes(character)) depth--;
    if (depth === 0) return "}]".includes(character) ? i + 1 : text.length;
  }
  return text.length;
}

/** The value with the names of its members as the schema spells them; those that it does not know stay. */
export function withDeclaredNames(value: unknown, schema: z.ZodType): unknown {
  const inner = withoutWrapping(schema);
  if (Array.isArray(value))
    return inner instanceof z.ZodArray
      ? value.map((one) => withDeclaredNames(one, asType(inner.element)))
      : value;
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value);
  if (inner instanceof z.ZodRecord)
    return Object.fromEntries(
      members.map(([name, one]) => [name, withDeclaredNames(one, asType(inner.valueType))]),
    );
  return inner instanceof z.ZodObject ? Object.fromEntries(members.map(declared(inner))) : value;
}

function declared(schema: z.ZodObject): (member: [string, unknown]) => [string, unknown] {
  const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
  const names = new Map(Object.keys(shape).map((name) => [name.toLowerCase(), name]));
  return ([given, value]) => {
    const name = names.get(given.toLowerCase()) ?? given;
    const type = Object.hasOwn(shape, name) ? shape[name] : undefined;
    return [name, type === undefined ? value : withDeclaredNames(value, asType(type))];
  };
}

/** What an optional, a nullable or a default is of. */
function withoutWrapping(schema: z.ZodType): z.ZodType {
  const isWrapping =
    schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault;
  return isWrapping ? withoutWrapping(asType(schema.unwrap())) : schema;
}

/** Zod types the parts of a schema by its core, of which everything in the tables is a full type. */
function asType(part: z.core.$ZodType): z.ZodType {
  return part as z.ZodType;
}
