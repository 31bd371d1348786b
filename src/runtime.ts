import { Runtime } from '@temporalio/worker';
import { ConfigurationError, type Configuration } from './configuration.js';
import { nativeLevel, type Log } from './log.js';
import { Metrics } from './metrics/metrics.js';

/** Milliseconds after which metrics that change by time alone are told again. */
const REFRESH_INTERVAL = 5_000;

/**
 * Sets up Temporal's native part: it logs through ours, serves metrics where asked to, and leaves
 * signals to us. It has to come before anything else of Temporal.
 *
 * @throws ConfigurationError when the address for metrics cannot be used
 */
export function installRuntime(
  { logLevel, metricsAddress }: Pick<Configuration, 'logLevel' | 'metricsAddress'>,
  log: Log,
): void {
  try {
    Runtime.install({
      logger: log,
      shutdownSignals: [],
      telemetryOptions: {
        logging: { forward: {}, filter: { core: nativeLevel(logLevel), other: 'ERROR' } },
        ...(metricsAddress ? { metrics: { prometheus: { bindAddress: metricsAddress } } } : {}),
      },
    });
  } catch (error) {
    if (metricsAddress === undefined) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigurationError([`CSM_METRICS_ADDRESS cannot be used: ${reason}`]);
  }
}

/** The metrics of migrations, which the runtime serves beside its own. */
export function startMetrics(): Metrics {
  const metrics = new Metrics(Runtime.instance().metricMeter);
  setInterval(() => metrics.refresh(), REFRESH_INTERVAL).unref();
  return metrics;
}
