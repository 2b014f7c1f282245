import { computed, effect, signal } from "@preact/signals";

type Choice = "system" | "light" | "dark";
const STORED = "sanderling-console-theme";
const CHOICES: readonly Choice[] = ["system", "light", "dark"];

const dark = matchMedia("(prefers-color-scheme: dark)");
const systemIsDark = signal(dark.matches);
dark.addEventListener("change", ({ matches }) => (systemIsDark.value = matches));

export const choice = signal<Choice>(CHOICES.find((one) => one === localStorage.getItem(STORED)) ?? "system");
export const scheme = computed(() =>
  choice.value === "system" ? (systemIsDark.value ? "dark" : "light") : choice.value,
);

effect(() => {
  document.documentElement.dataset["theme"] = scheme.value;
  localStorage.setItem(STORED, choice.value);
});

export function nextTheme(): void {
  choice.value = CHOICES[(CHOICES.indexOf(choice.value) + 1) % CHOICES.length] ?? "system";
}
