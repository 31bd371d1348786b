import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import type { Log } from './log.js';

/** Longest wait for spans to be sent when the worker stops, in ms. */
const FLUSH_MS = 5_000;

/** Spans of what this worker does. */
export interface Tracing {
  /** To stand outside of what turns errors into what people may see: a span has the error's message. */
  readonly interceptor: ActivityInterceptorsFactory;
  /** Sends what waits; nothing is said of what could not be sent. */
  readonly stop: () => Promise<void>;
}

/**
 * Sends a span for every attempt of every step by OTLP over HTTP, to where OpenTelemetry's own variables say. Its
 * libraries are loaded here, and not by workers that nobody traces.
 */
export async function startTracing(log: Log): Promise<Tracing> {
  const [{ diag, DiagLogLevel }, sdk, { OTLPTraceExporter }, resources, temporal] =
    await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace-node'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
      import('@temporalio/interceptors-opentelemetry/lib/worker/index.js'),
    ]);
  const say = (message: string) => log.warn(`OpenTelemetry: ${message}`);
  const silent = () => undefined;
  diag.setLogger(
    { error: say, warn: say, info: silent, debug: silent, verbose: silent },
    DiagLogLevel.WARN,
  );
  const named = new resources.Resource({ 'service.name': 'changestream-migration' });
  const told = resources.detectResourcesSync({ detectors: [resources.envDetectorSync] });
  const provider = new sdk.NodeTracerProvider({
    resource: named.merge(told),
    spanProcessors: [new sdk.BatchSpanProcessor(new OTLPTraceExporter())],
  });
  provider.register();
  const { OpenTelemetryActivityInboundInterceptor, OpenTelemetryActivityOutboundInterceptor } =
    temporal;
  return {
    interceptor: (context) => ({
      inbound: new OpenTelemetryActivityInboundInterceptor(context),
      outbound: new OpenTelemetryActivityOutboundInterceptor(context),
    }),
    stop: async () => {
      const limit = new Promise((resolve) => setTimeout(resolve, FLUSH_MS).unref());
      await Promise.race([provider.shutdown().catch(() => undefined), limit]);
    },
  };
}
