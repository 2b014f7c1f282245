/** Below these numbers of samples a percentile would only be another word for the largest. */
const LEAST_FOR_P95 = 20;
const LEAST_FOR_P99 = 100;

export interface Summary {
  readonly samples: number;
  readonly min: number;
  readonly p50: number;
  /** Null with fewer than 20 samples. */
  readonly p95: number | null;
  /** Null with fewer than 100 samples. */
  readonly p99: number | null;
  readonly max: number;
}

/** Of speeds the percentiles are of the slow side as well: of a hundred, one is slower than p99. */
export function summarise(values: readonly number[], { isSpeed }: { isSpeed: boolean }): Summary {
  const sorted = values.toSorted((a, b) => (isSpeed ? b - a : a - b));
  const enough = (least: number, part: number) => (sorted.length < least ? null : quantile(sorted, part));
  return {
    samples: sorted.length,
    min: Math.min(...values),
    p50: quantile(sorted, 0.5),
    p95: enough(LEAST_FOR_P95, 0.95),
    p99: enough(LEAST_FOR_P99, 0.99),
    max: Math.max(...values),
  };
}

export function median(values: readonly number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}

/** The nearest rank: always a value that was measured. NaN of nothing. */
function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}

/** Median of the ratios, pair by pair: what was slow for both of a pair counts in neither. */
export function ratioOf(ours: readonly number[], theirs: readonly number[]): number {
  return median(ours.flatMap((value, i) => (theirs[i] === undefined ? [] : [value / theirs[i]])));
}
