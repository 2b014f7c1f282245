import manifest from "../package.json" with { type: "json" };

/** The product's version, as `sanderling version` and every API tell it. */
export const VERSION: string = manifest.version;
