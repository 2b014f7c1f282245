export interface Row {
  readonly what: string;
  readonly unit: string;
  readonly values: readonly number[];
  /** Median of the ratios to the floor, pair by pair. */
  readonly ratio?: number;
}

export function row(what: string, unit: string, values: readonly number[]): Row {
  return { what, unit, values };
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Milliseconds of each of `rounds` calls, after a warm-up. */
export async function sample(call: () => Promise<void>, rounds: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) times.push(await time(call));
  return times;
}

/** Both in turn, A B A B, so that a machine whose speed drifts slows both alike. */
export async function compare(
  what: string,
  call: () => Promise<void>,
  floorWhat: string,
  floor: () => Promise<void>,
  rounds: number,
): Promise<Row[]> {
  for (let i = 0; i < Math.min(20, Math.ceil(rounds / 5)); i++) {
    await call();
    await floor();
  }
  const ours: number[] = [];
  const floors: number[] = [];
  for (let i = 0; i < rounds; i++) {
    ours.push(await time(call));
    floors.push(await time(floor));
  }
  const ratio = median(ours.map((value, i) => value / (floors[i] ?? Number.NaN)));
  return [
    { what, unit: "ms", values: ours, ratio },
    { what: `  floor: ${floorWhat}`, unit: "ms", values: floors },
  ];
}

async function time(call: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await call();
  return performance.now() - started;
}
