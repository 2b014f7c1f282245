import type { TelemetrySettings, TelemetryTarget } from "../lib/telemetry-settings.ts";
import { ConfigError } from "./error.ts";

type Variables = Readonly<Record<string, string | undefined>>;
type Signal = "traces" | "metrics";

const DEFAULT_ENDPOINT = "http://localhost:4318";
const SAMPLERS = ["always_on", "always_off", "traceidratio"] as const;

/**
 * Reads the standard OTEL_* variables (OpenTelemetry specification, "Environment Variable Specification" and
 * "OTLP Exporter Configuration"). Nothing is exported unless one of them names an endpoint or the exporter "otlp".
 * @throws ConfigError for what this daemon cannot do as asked, such as gRPC.
 */
export function readTelemetry(environment: Variables): TelemetrySettings | undefined {
  const variables = withoutEmpty(environment);
  if (variables["OTEL_SDK_DISABLED"]?.toLowerCase() === "true") return undefined;
  const traces = isWanted("traces", variables) ? targetOf("traces", variables) : undefined;
  const metrics = isWanted("metrics", variables) ? targetOf("metrics", variables) : undefined;
  if (traces === undefined && metrics === undefined) return undefined;
  const { "service.name": named, ...resource } = pairs("OTEL_RESOURCE_ATTRIBUTES", variables);
  return {
    serviceName: variables["OTEL_SERVICE_NAME"] ?? named ?? "sanderling",
    resource,
    traces,
    metrics: metrics && { ...metrics, intervalMs: number("OTEL_METRIC_EXPORT_INTERVAL", 60_000, variables) },
    sampling: samplingOf(variables),
  };
}

/** The specification: an empty variable is one that is not set. */
function withoutEmpty(environment: Variables): Variables {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value?.trim() !== ""));
}

function isWanted(signal: Signal, variables: Variables): boolean {
  const name = `OTEL_${signal.toUpperCase()}_EXPORTER`;
  const exporter = variables[name];
  if (exporter === "none") return false;
  if (exporter === "otlp") return true;
  if (exporter !== undefined) throw new ConfigError(`${name}: expected otlp or none, got ${exporter}`);
  return find("ENDPOINT", signal, variables) !== undefined;
}

/** A signal's own variable is stronger than the one for all. */
function find(name: string, signal: Signal, variables: Variables): string | undefined {
  return (
    variables[`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_${name}`] ?? variables[`OTEL_EXPORTER_OTLP_${name}`]
  );
}

function targetOf(signal: Signal, variables: Variables): TelemetryTarget {
  const protocol = find("PROTOCOL", signal, variables) ?? "http/protobuf";
  if (protocol !== "http/protobuf")
    throw new ConfigError(`OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf, got ${protocol}`);
  const compression = find("COMPRESSION", signal, variables) ?? "none";
  if (compression !== "none" && compression !== "gzip")
    throw new ConfigError(`OTEL_EXPORTER_OTLP_COMPRESSION: expected none or gzip, got ${compression}`);
  const shared = pairs("OTEL_EXPORTER_OTLP_HEADERS", variables);
  const own = pairs(`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_HEADERS`, variables);
  const timeout = `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_TIMEOUT`;
  const timeoutMs = number(timeout in variables ? timeout : "OTEL_EXPORTER_OTLP_TIMEOUT", 10_000, variables);
  return { url: urlOf(signal, variables), headers: { ...shared, ...own }, timeoutMs, compression };
}

/** A signal's own endpoint is taken as it is; the one for all gets the signal's path. */
function urlOf(signal: Signal, variables: Variables): string {
  const name = `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`;
  const own = variables[name];
  const base = variables["OTEL_EXPORTER_OTLP_ENDPOINT"] ?? DEFAULT_ENDPOINT;
  const url = own ?? `${base.replace(/\/+$/, "")}/v1/${signal}`;
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw new ConfigError(
    `${own === undefined ? "OTEL_EXPORTER_OTLP_ENDPOINT" : name}: expected an address that begins with http:// or https://`,
  );
}

/** `a=1,b=2` with percent-encoded values, as W3C Baggage. Values may be secrets and are not told. */
function pairs(name: string, variables: Variables): Record<string, string> {
  const entries = (variables[name] ?? "").split(",").filter((item) => item.trim() !== "");
  return Object.fromEntries(
    entries.map((item): [string, string] => {
      const at = item.indexOf("=");
      if (at < 1) throw new ConfigError(`${name}: expected key=value pairs, separated by commas`);
      return [item.slice(0, at).trim(), decode(name, item.slice(at + 1).trim())];
    }),
  );
}

function decode(name: string, value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw new ConfigError(`${name}: a value is not percent-encoded as it should be`);
  }
}

function number(name: string, fallback: number, variables: Variables): number {
  const text = variables[name];
  if (text === undefined) return fallback;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new ConfigError(`${name}: expected milliseconds, got ${JSON.stringify(text)}`);
}

function samplingOf(variables: Variables): TelemetrySettings["sampling"] {
  const name = variables["OTEL_TRACES_SAMPLER"] ?? "parentbased_always_on";
  const isParentBased = name.startsWith("parentbased_");
  const root = SAMPLERS.find((one) => one === name.replace(/^parentbased_/, ""));
  if (root === undefined)
    throw new ConfigError(
      `OTEL_TRACES_SAMPLER: expected one of ${SAMPLERS.join(", ")}, with parentbased_ before it or not; got ${name}`,
    );
  const ratio = Number(variables["OTEL_TRACES_SAMPLER_ARG"] ?? 1);
  if (!(ratio >= 0 && ratio <= 1))
    throw new ConfigError("OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1");
  return { isParentBased, ratio: { always_on: 1, always_off: 0, traceidratio: ratio }[root] };
}
