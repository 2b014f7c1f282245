import type { Counted } from "../harness/scenario.ts";

/** Three digits that mean something, and no more than two after the point. */
export function number(value: number | null): string {
  if (value === null || Number.isNaN(value)) return "";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits).replace(/\B(?=(\d{3})+$)/, ",");
}

/** Ratios below a tenth keep a third digit. */
export function ratio(value: number | null): string {
  if (value === null || Number.isNaN(value)) return "";
  return value.toFixed(value < 0.1 ? 3 : 2);
}

/** For people: "1 GiB", "100,000 files". */
export function sizeText(size: number, of: Counted): string {
  if (of !== "bytes") return `${size.toLocaleString("en")} ${of[size === 1 ? 0 : 1]}`;
  const [unit, value] = (
    [
      ["GiB", size / 2 ** 30],
      ["MiB", size / 2 ** 20],
      ["KiB", size / 2 ** 10],
    ] as const
  ).find(([, value]) => value >= 1) ?? ["B", size];
  return `${value} ${unit}`;
}
