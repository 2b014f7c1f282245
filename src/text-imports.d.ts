declare module "*.py" {
  const text: string;
  export default text;
}
declare module "*.cjs" {
  const text: string;
  export default text;
}
declare module "*.mjs" {
  const text: string;
  export default text;
}
declare module "*.css" {
  const path: string;
  export default path;
}
declare module "*.txt" {
  const text: string;
  export default text;
}
declare module "swagger-ui-dist/swagger-ui-bundle.js" {
  const path: unknown;
  export default path;
}
declare module "*.go" {
  const text: string;
  export default text;
}
declare module "*.mod" {
  const text: string;
  export default text;
}
declare module "*.sum" {
  const text: string;
  export default text;
}
