import { expect, test } from "bun:test";
import { EngineError } from "../../src/engine/error.ts";
import { GlobRules } from "../../src/engine/files/glob-rules.ts";
import { compilePattern } from "../../src/engine/files/search-pattern.ts";
import type { SearchQuery } from "../../src/engine/files/search-query.ts";

const QUERY: SearchQuery = {
  path: ".",
  pattern: "",
  isRegex: true,
  letterCase: "sensitive",
  include: [],
  exclude: [],
  context: 0,
  hidden: false,
  ignored: false,
  maxResults: 10,
  maxLineBytes: 100,
  maxTextBytes: 1000,
  timeoutMs: 1000,
};

test.each([
  ["*.ts", "a/b/c.ts", false, true],
  ["/*.ts", "a/c.ts", false, undefined],
  ["a/*.ts", "a/b/c.ts", false, undefined],
  ["a/**", "a/b/c.ts", false, true],
  ["build/", "x/build", true, true],
  ["build/", "x/build", false, undefined],
  ["!keep", "keep", false, false],
  ["# comment", "# comment", false, undefined],
] as const)("the glob %j and the path %j (directory: %j) give %j", (glob, path, isDirectory, expected) => {
  expect(new GlobRules([glob]).matches(path, isDirectory)).toBe(expected);
});

test("the last glob that matches decides", () => {
  const rules = new GlobRules(["*.log", "!keep.log", "keep.log "]);
  expect(rules.matches("keep.log", false)).toBe(true);
  expect(new GlobRules(["*.log", "!keep.log"]).matches("a/keep.log", false)).toBe(false);
});

test("a regular expression that hangs a backtracking engine is linear here", () => {
  const pattern = compilePattern({ ...QUERY, pattern: "(a+)+$|(a|aa)+c" });
  expect(pattern.find(`${"a".repeat(30_000)}b`)).toBeUndefined();
  expect(pattern.mayOccurIn(`${"a".repeat(30_000)}b\n`)).toBe(false);
});

test.each(["(?=a)b", "(a)\\1", "a{2000}", "(a{40}b{40}c{40}d{40}){9}"])(
  "the pattern %s is refused",
  (pattern) => {
    expect(() => compilePattern({ ...QUERY, pattern })).toThrow(EngineError);
  },
);
