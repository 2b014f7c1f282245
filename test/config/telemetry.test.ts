import { describe, expect, test } from "bun:test";
import { readTelemetry } from "../../src/config/telemetry.ts";

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318/" };

describe("OpenTelemetry's variables", () => {
  test("ask for nothing unless one names an endpoint or the exporter", () => {
    expect(readTelemetry({})).toBeUndefined();
    expect(readTelemetry({ OTEL_SERVICE_NAME: "x", OTEL_EXPORTER_OTLP_ENDPOINT: "" })).toBeUndefined();
    expect(readTelemetry({ ...ENDPOINT, OTEL_SDK_DISABLED: "true" })).toBeUndefined();
    expect(readTelemetry({ OTEL_METRICS_EXPORTER: "otlp" })?.metrics?.url).toBe(
      "http://localhost:4318/v1/metrics",
    );
  });

  test("give a signal its own where there is one, over what is for all", () => {
    const told = readTelemetry({
      ...ENDPOINT,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://traces/here",
      OTEL_EXPORTER_OTLP_HEADERS: "a=1,b=2",
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: "b=x%2Cy",
      OTEL_EXPORTER_OTLP_TIMEOUT: "500",
      OTEL_METRIC_EXPORT_INTERVAL: "1000",
      OTEL_RESOURCE_ATTRIBUTES: "service.name=named,team=x",
      OTEL_TRACES_SAMPLER: "traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0.25",
    });
    expect(told).toEqual({
      serviceName: "named",
      resource: { team: "x" },
      traces: {
        url: "https://traces/here",
        headers: { a: "1", b: "x,y" },
        timeoutMs: 500,
        compression: "none",
      },
      metrics: {
        url: "http://collector:4318/v1/metrics",
        headers: { a: "1", b: "2" },
        timeoutMs: 500,
        compression: "none",
        intervalMs: 1000,
      },
      sampling: { isParentBased: false, ratio: 0.25 },
    });
  });

  test.each([
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }, "expected http/protobuf, got grpc"],
    [{ OTEL_TRACES_EXPORTER: "zipkin" }, "expected otlp or none"],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" }, "expected an address"],
    [{ OTEL_EXPORTER_OTLP_HEADERS: "nonsense" }, "expected key=value pairs"],
    [{ OTEL_EXPORTER_OTLP_TIMEOUT: "soon" }, "expected milliseconds"],
    [{ OTEL_TRACES_SAMPLER: "sometimes" }, "expected one of always_on"],
    [{ OTEL_TRACES_SAMPLER_ARG: "2" }, "from 0 to 1"],
  ])("are refused where they cannot be heeded: %p", (variables, message) => {
    expect(() => readTelemetry({ ...ENDPOINT, ...variables })).toThrow(message);
  });
});
