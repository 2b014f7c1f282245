import { expect, test } from "bun:test";
import { TestDaemon } from "../../support/daemon.ts";
import { streamMany } from "../../support/many-streams.ts";

/** `make bench` has the full figures: 200 streams of 1 MB/s. */
test("many streams at a time are whole, whoever does not read, and take bounded memory", async () => {
  // What a reader that never reads leaves lying is dropped beyond this.
  const env = { SANDERLING_JOURNAL_BYTES: "1MiB", SANDERLING_LOG_LEVEL: "warn" };
  await using daemon = await TestDaemon.start({ env });
  const result = await streamMany(daemon, { streams: 40, seconds: 3, bytesPerSecond: 500_000 });
  expect(result.whole).toBe(39);
  expect(result.peakBytes).toBeLessThan(400 * 2 ** 20);
});
