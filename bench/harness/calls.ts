/** Calls that many scenarios make. */
import type { TestDaemon } from "../../test/support/daemon.ts";
import type { Floor } from "../floors/floor.ts";

/** @throws when it is answered anything but 200. */
export async function get(daemon: TestDaemon, path: string): Promise<void> {
  const response = await daemon.fetch(path);
  await response.bytes();
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
}

/** @throws when it is answered anything but 200. */
export async function post(daemon: TestDaemon, path: string, body: object): Promise<void> {
  const { status, body: answer } = await daemon.post(path, body);
  if (status !== 200) throw new Error(`${path} answered ${status}: ${answer.error ?? answer.stderr}`);
}

/** The same program, spawned by the least that can be called a server. Drained: its output is read and thrown away. */
export async function spawnOnFloor(
  floor: Floor,
  argv: readonly string[],
  { isDrained = false }: { isDrained?: boolean } = {},
): Promise<void> {
  const url = isDrained ? `${floor.url}?drain` : floor.url;
  const response = await fetch(url, { method: "POST", body: JSON.stringify(argv) });
  const { success } = (await response.json()) as { success: boolean };
  if (!success) throw new Error(`the floor did not run ${argv.join(" ")}`);
}

/** Speed of work on so many bytes, in 10^6 bytes a second. */
export async function speedOf(bytes: number, work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return bytes / 1000 / (performance.now() - started);
}
