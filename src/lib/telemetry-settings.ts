/** Where one kind of telemetry is sent, over OTLP with protobuf bodies. */
export interface TelemetryTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly compression: "none" | "gzip";
}

/** What OpenTelemetry's standard variables ask for. */
export interface TelemetrySettings {
  readonly serviceName: string;
  /** Further attributes of the resource. */
  readonly resource: Readonly<Record<string, string>>;
  readonly traces: TelemetryTarget | undefined;
  readonly metrics: (TelemetryTarget & { readonly intervalMs: number }) | undefined;
  readonly sampling: {
    /** Whether the client's decision, where it made one, is kept. */
    readonly isParentBased: boolean;
    /** Of the traces that begin here, 0 to 1. */
    readonly ratio: number;
  };
}
