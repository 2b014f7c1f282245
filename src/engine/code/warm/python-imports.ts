/**
 * Packages that may be loaded before a program asks for them: loading them has no effect that a program could
 * see, they survive a fork, and they are slow enough to matter. By the name that is imported, with what is loaded.
 */
const PRELOADABLE: Readonly<Record<string, readonly string[]>> = {
  numpy: ["numpy"],
  pandas: ["numpy", "pandas"],
  matplotlib: ["numpy", "matplotlib", "matplotlib.pyplot"],
  seaborn: ["numpy", "pandas", "matplotlib.pyplot", "seaborn"],
  scipy: ["numpy", "scipy"],
  sklearn: ["numpy", "sklearn"],
  PIL: ["PIL.Image"],
  requests: ["requests"],
  httpx: ["httpx"],
  bs4: ["bs4"],
  sympy: ["sympy"],
  plotly: ["plotly.graph_objects"],
  pydantic: ["pydantic"],
};

/** The modules worth having loaded for this program. A name in a comment only costs memory. */
export function preloadsOf(code: string): readonly string[] {
  const names = [...code.matchAll(/^[ \t]*(?:import|from)[ \t]+([\w.]+(?:[ \t]*,[ \t]*[\w.]+)*)/gm)]
    .flatMap(([, list = ""]) => list.split(","))
    .map((name) => name.trim().split(".")[0] ?? "");
  return names.flatMap((name) => (Object.hasOwn(PRELOADABLE, name) ? (PRELOADABLE[name] ?? []) : []));
}
