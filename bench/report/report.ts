import type { Machine } from "../harness/machine.ts";
import type { Measurement } from "../harness/measure.ts";
import type { Counted, Unit } from "../harness/scenario.ts";
import type { Judgement } from "./judge.ts";

/** Everything of one run, as `--json` writes it. The word changes when the shape does. */
export interface Report {
  readonly format: "sanderling-bench/1";
  readonly started: string;
  readonly seconds: number;
  readonly isQuick: boolean;
  /** Null: as many as fitted into a scenario's time. */
  readonly rounds: number | null;
  /** Its address; null without one. */
  readonly peer: string | null;
  readonly machine: Machine;
  readonly subjects: readonly SubjectReport[];
}

export interface SubjectReport {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly scenarios: readonly ScenarioReport[];
}

export interface ScenarioReport {
  readonly name: string;
  readonly what: string;
  readonly unit: Unit;
  /** What its sizes count; null when it has one. */
  readonly sizesOf: Counted | null;
  /** Numbers of clients that it is measured with. */
  readonly clients: readonly number[];
  readonly measurements: readonly Measurement[];
  readonly judgements: readonly Judgement[];
  /** Why something of it was not measured. */
  readonly leftOut: readonly LeftOut[];
}

/** What a table needs to know of a scenario. */
export type Shown = Pick<ScenarioReport, "what" | "unit" | "sizesOf" | "clients">;

export interface LeftOut {
  readonly reason: string;
  /** Whether it should have worked; otherwise the machine lacks what it needs. */
  readonly isFailure: boolean;
}
