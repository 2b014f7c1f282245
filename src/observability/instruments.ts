/** Names and values of what tells the series of one metric apart: few, and never a client's free text. */
export type Labels = Readonly<Record<string, string>>;

export interface Point<Value> {
  readonly labels: Labels;
  readonly value: Value;
}

/** Counts by upper bound; the last is of everything above the last bound. Not cumulative. */
export interface Distribution {
  readonly counts: readonly number[];
  readonly sum: number;
  readonly count: number;
}

interface FamilyFacts {
  /** As Prometheus has it: with its unit, and `_total` where it only grows. */
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

/** One metric with all its series at one moment, in no exporter's words. */
export type Family = FamilyFacts &
  (
    | { readonly type: "counter" | "gauge"; readonly points: readonly Point<number>[] }
    | {
        readonly type: "histogram";
        readonly bounds: readonly number[];
        readonly points: readonly Point<Distribution>[];
      }
  );

/** More series of one metric mean that a label is not what it should be; further ones are not counted. */
const MOST_SERIES = 2000;

/** A number that only grows, for each set of labels. */
export class Counter<Name extends string> {
  readonly #series = new Map<string, { readonly labels: Labels; value: number }>();

  constructor(
    readonly name: string,
    readonly help: string,
    readonly labelNames: readonly Name[],
  ) {}

  add(labels: Readonly<Record<Name, string>>, by = 1): void {
    const series = find(this.#series, this.labelNames, labels, () => ({ labels, value: 0 }));
    if (series) series.value += by;
  }

  family(): Family {
    const { name, help, labelNames } = this;
    const points = [...this.#series.values()].map(({ labels, value }) => ({ labels, value }));
    return { name, help, labelNames, type: "counter", points };
  }
}

/** How often values fell below each bound, for each set of labels. */
export class Histogram<Name extends string> {
  readonly #series = new Map<string, Bins>();

  constructor(
    readonly name: string,
    readonly help: string,
    readonly labelNames: readonly Name[],
    readonly bounds: readonly number[],
  ) {}

  observe(labels: Readonly<Record<Name, string>>, value: number): void {
    find(this.#series, this.labelNames, labels, () => new Bins(labels, this.bounds))?.add(value);
  }

  family(): Family {
    const { name, help, labelNames, bounds } = this;
    const points = [...this.#series.values()].map((bins) => ({
      labels: bins.labels,
      value: bins.snapshot(),
    }));
    return { name, help, labelNames, bounds, type: "histogram", points };
  }
}

/** A value that goes up and down, read when somebody looks. */
export function gauge(
  name: string,
  help: string,
  values: number | readonly (readonly [Labels, number])[],
): Family {
  const points = typeof values === "number" ? [{ labels: {}, value: values }] : values.map(toPoint);
  return { name, help, labelNames: Object.keys(points[0]?.labels ?? {}), type: "gauge", points };
}

/** A number that only grows and that somebody else counts. */
export function counted(
  name: string,
  help: string,
  values: number | readonly (readonly [Labels, number])[],
): Family {
  return { ...gauge(name, help, values), type: "counter" } as Family;
}

class Bins {
  readonly labels: Labels;
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  add(value: number): void {
    let index = this.#bounds.findIndex((bound) => value <= bound);
    if (index < 0) index = this.#bounds.length;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += value;
    this.#count++;
  }

  snapshot(): Distribution {
    return { counts: [...this.#counts], sum: this.#sum, count: this.#count };
  }
}

function toPoint([labels, value]: readonly [Labels, number]): Point<number> {
  return { labels, value };
}

function find<Name extends string, Series>(
  all: Map<string, Series>,
  names: readonly Name[],
  labels: Readonly<Record<Name, string>>,
  make: () => Series,
): Series | undefined {
  let key = "";
  for (const name of names) key += `${labels[name]}\u0000`;
  const known = all.get(key);
  if (known !== undefined || all.size >= MOST_SERIES) return known;
  const made = make();
  all.set(key, made);
  return made;
}
