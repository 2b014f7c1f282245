/** What a benchmark is made of: subjects with scenarios, which are data, and what they open when they are run. */
import type { Stage } from "./stage.ts";

export interface Subject {
  readonly name: string;
  readonly title: string;
  /** What a reader must know of its rows. */
  readonly about: string;
  readonly scenarios: readonly Scenario[];
}

/** Of one sample. Milliseconds are better when lower, speeds when higher. */
export type Unit = "ms" | "MB/s" | "MB";

export interface Scenario {
  /** Within its subject; `--only` takes `subject/name`. */
  readonly name: string;
  readonly what: string;
  /** Default: milliseconds, measured by the runner. */
  readonly unit?: Unit;
  /** How many callers at once, each in its turn; default: one. */
  readonly clients?: readonly number[];
  /** The sizes that it is measured at; default: one, 0. */
  readonly growth?: Growth;
  /** A call takes about a second or more: no warm-up and few rounds. */
  readonly isLong?: boolean;
  /** Factor of the time that is given to a scenario; default 1. */
  readonly patience?: number;
  readonly targets?: readonly Target[];
  /** @throws NotHere when this machine lacks what it needs. */
  open(stage: Stage, size: number): Promise<Contenders>;
}

export interface Growth {
  readonly of: Counted;
  readonly sizes: readonly number[];
  /** Those of `--quick`. */
  readonly quick: readonly number[];
}

/** What sizes count: bytes, or things that are called so when there is one and when there are more. */
export type Counted = "bytes" | readonly [one: string, more: string];

/** The first is ours; the others are what it is compared with, call by call. */
export type Contenders = readonly [Contender, ...Contender[]];

export interface Contender {
  readonly what: string;
  /**
   * Does the work once. What it gives is the sample, or are the samples, in the scenario's unit; when it gives
   * nothing, its duration is.
   */
  call(): Promise<Sampled>;
  /** Done before each call, and not measured. */
  readonly before?: () => Promise<void>;
  /** The process that does the work: its processor time and memory are told. */
  readonly pid?: number;
  /** Asked at the end: more that is worth telling, by name. */
  readonly facts?: () => Facts | Promise<Facts>;
}

// "void" is what a call gives that is only timed.
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type
export type Sampled = number | readonly number[] | void;
export type Facts = Readonly<Record<string, string>>;

/** What an issue asked of a scenario: met when any one of the bounds is. */
export interface Target {
  readonly asked: string;
  readonly anyOf: readonly Bound[];
  /** Of the measurements of the scenario the one with so many clients, or of this size. */
  readonly clients?: number;
  readonly size?: number;
}

export interface Bound {
  readonly figure: Figure;
  readonly atMost?: number;
  readonly atLeast?: number;
}

/**
 * `ratio`: ours to the first other, sample by sample; `throughputRatio`: the same of calls a second; `growthMB`: how
 * much the memory of our process grew at most; the others are of our samples.
 */
export type Figure = "ratio" | "throughputRatio" | "growthMB" | "p50" | "p99" | "max";

/** This machine lacks something: the scenario is left out, and the reason told. */
export class NotHere extends Error {}

export function nameOf(subject: Subject, scenario: Scenario): string {
  return `${subject.name}/${scenario.name}`;
}
