/** How the set-up of one part ended. Being unable is a result to show, not an error. */
export type PartResult =
  /** It is there and works. `changed` is false when nothing had to be done. */
  | { readonly state: "ready"; readonly changed: boolean; readonly detail: string }
  /** `fix` is what the user can do about it. */
  | { readonly state: "failed"; readonly detail: string; readonly fix: string };

export function failed(detail: string, fix: string): PartResult {
  return { state: "failed", detail, fix };
}
