import { EngineError } from "../error.ts";

/**
 * Free ports of the loopback address. All are held while the next is taken, so that none comes twice; they are
 * let go when all are known, which is when another program could take one. A kernel that finds one taken says
 * so and dies, and is started again with others (launch.ts).
 */
export function freePorts(count: number): number[] {
  const held: { readonly port: number; stop(closeConnections: boolean): void }[] = [];
  try {
    for (let i = 0; i < count; i++)
      held.push(Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } }));
    return held.map(({ port }) => port);
  } catch (cause) {
    throw new EngineError("unavailable", "Cannot find free ports for a kernel", { cause });
  } finally {
    for (const listener of held) listener.stop(true);
  }
}
