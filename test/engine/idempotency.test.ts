import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Idempotency } from "../../src/engine/idempotency.ts";
import { Store } from "../../src/engine/store.ts";
import { refusal } from "../support/engine.ts";

let directory: string;
let store: Store;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "test-idempotency-"));
  store = Store.open(join(directory, "store.sqlite"), () => undefined);
});
afterEach(async () => {
  store[Symbol.dispose]();
  await rm(directory, { recursive: true, force: true });
});

const notices: string[] = [];
const onNotice = (notice: string) => void notices.push(notice);
const give = (answer: string) => () => Promise.resolve(answer);
const kept = () => store.database.query<{ n: number }, []>("SELECT count(*) AS n FROM idempotency").get()?.n;

test("work that throws leaves the key free, and all who wait get its error", async () => {
  await using once = new Idempotency(store, onNotice);
  const work = Promise.withResolvers<string>();
  const both = [1, 2].map(() =>
    once.once("key", "print", () => work.promise).catch((error: unknown) => error),
  );
  work.reject(new Error("nothing ran"));
  expect((await Promise.all(both)).map(String)).toEqual(["Error: nothing ran", "Error: nothing ran"]);
  expect(await once.once("key", "other", give("second"))).toEqual({ answer: "second", isReplay: false });
});

test("what another daemon with the same database works on is neither done again nor called lost", async () => {
  await using first = new Idempotency(store, onNotice);
  const work = Promise.withResolvers<string>();
  const doing = first.once("key", "print", () => work.promise);
  using second = Store.open(join(directory, "store.sqlite"), () => undefined);
  const error = await refusal(new Idempotency(second, onNotice).once("key", "print", give("twice")));
  expect([error.code, error.details]).toEqual(["conflict", { idempotency: "elsewhere" }]);
  work.resolve("once");
  await doing;
  expect(await new Idempotency(second, onNotice).once("key", "print", give("twice"))).toEqual({
    answer: "once",
    isReplay: true,
  });
});

test("an answer that is too large is not kept, and a repeat is told so instead of done again", async () => {
  await using once = new Idempotency(store, onNotice);
  await once.once("key", "print", give("x".repeat(32 * 2 ** 20 + 1)));
  const error = await refusal(once.once("key", "print", give("again")));
  expect(error.details).toEqual({ idempotency: "too_large" });
});

test("of many large answers the newest are kept, up to 64 MiB", async () => {
  await using once = new Idempotency(store, onNotice);
  const large = "x".repeat(20 * 2 ** 20);
  for (const key of ["a", "b", "c", "d"]) {
    await once.once(key, "print", give(large));
    // Rows of one millisecond have no order of age.
    store.database.run("UPDATE idempotency SET created_at = created_at - 1000");
  }
  await once.once("last", "print", give("small"));
  expect(kept()).toBe(4);
  expect((await once.once("a", "print", give("anew"))).isReplay).toBe(false);
});

test("after a day a key is new again", async () => {
  await using once = new Idempotency(store, onNotice);
  await once.once("key", "print", give("old"));
  store.database.run("UPDATE idempotency SET created_at = created_at - 86400001");
  expect(await once.once("key", "other", give("new"))).toEqual({ answer: "new", isReplay: false });
  expect(kept()).toBe(1);
});

test("of ten thousand keys the oldest is forgotten", async () => {
  await using once = new Idempotency(store, onNotice);
  const numbers = JSON.stringify(Array.from({ length: 10_050 }, (_, index) => index));
  store.database
    .query(
      `INSERT INTO idempotency SELECT 'key-' || value, 'print', 'nobody', 'answered', 0, $now - value, ''
       FROM json_each($numbers)`,
    )
    .run({ numbers, now: Date.now() - 1000 });
  await once.once("last", "print", give("new"));
  expect(kept()).toBe(10_001);
});

test("an answer that cannot be kept is given all the same, and a repeat is told that it was lost", async () => {
  await using once = new Idempotency(store, onNotice);
  notices.length = 0;
  const full = (on: string) =>
    `CREATE TRIGGER full_${on} BEFORE ${on} ON idempotency BEGIN SELECT raise(ABORT, 'full'); END`;
  store.database.run(full("UPDATE"));
  expect(await once.once("key", "print", give("true end"))).toEqual({ answer: "true end", isReplay: false });
  expect(notices).toEqual(["the answer to an idempotency key could not be kept"]);
  const error = await refusal(once.once("key", "print", give("twice")));
  expect(error).toMatchObject({ code: "conflict", details: { idempotency: "lost" } });
  // A refusal is told as what it was, also where the key cannot be given back.
  store.database.run(full("DELETE"));
  const refused = once.once("other", "print", () => Promise.reject(new Error("refused"))).catch(String);
  expect(await refused).toBe("Error: refused");
});

test("a key that cannot be kept is refused before anything is done", async () => {
  await using once = new Idempotency(store, onNotice);
  store.database.run(
    "CREATE TRIGGER full BEFORE INSERT ON idempotency BEGIN SELECT raise(ABORT, 'full'); END",
  );
  let runs = 0;
  const work = () => Promise.resolve(String(++runs));
  const error = await refusal(once.once("key", "print", work));
  expect([error.code, error.message, runs]).toEqual([
    "unavailable",
    "Cannot keep the idempotency key: full",
    0,
  ]);
});
