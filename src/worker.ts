#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Worker, type WorkerOptions } from '@temporalio/worker';
import { createActivities } from './activities/index.js';
import { pulseSinks } from './activities/pulse.js';
import { Connections } from './connections.js';
import { emptyCoreFile } from './core-file.js';
import { keepSwept } from './dump-folders.js';
import { failureInterceptor } from './failures.js';
import { MAX_COLLECTIONS } from './group-options.js';
import { Health, serveHealth } from './health.js';
import { LiveStatusCodec } from './live-status.js';
import { createLog } from './log.js';
import { memberCalls } from './member-calls.js';
import { metricsInterceptor } from './metrics/interceptor.js';
import { hostQueue, TASK_QUEUE } from './names.js';
import { readPending } from './pending-activities.js';
import { redact } from './redact.js';
import { RunningActivities } from './running-activities.js';
import { installRuntime, startMetrics } from './runtime.js';
import { readSetup } from './setup.js';
import { shutdownSignal } from './shutdown.js';
import { connectTemporal, hasSearchAttributes, isRunning } from './temporal.js';
import { SharedStreams } from './mongo/shared-stream.js';
import { startTracing } from './tracing.js';
import { Wakeups } from './wake.js';
import { loadWorkflowBundle } from './workflow-bundle.js';

/**
 * By how much the heap may grow between two collections of garbage, in %. Under 6,000 changes a second the
 * worker took 410 to 420 MB with V8's own choice, 375 MB with 60, 365 with 40 and 335 with 20, for 18, 27 and
 * 45 % more of its CPU, of which servers use several times as much. Not a flag of `npm start`, so that it
 * holds however the worker is started.
 */
const HEAP_GROWTH_PERCENT = 50;

/** Seconds between the end of the time that activities have to end and the end of their waiting. */
const FORCE_SECONDS = 10;

async function main(): Promise<void> {
  emptyCoreFile();
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
  // What the environment says already stays as it is.
  if (existsSync('.env')) process.loadEnvFile('.env');
  const { configuration, tools } = await readSetup(process.env);
  const log = createLog(configuration);
  configuration.warnings.forEach((warning) => log.warn(warning));
  installRuntime(configuration, log);

  const shutdown = shutdownSignal(log);
  const health = new Health(shutdown);
  if (configuration.healthAddress) await serveHealth(configuration.healthAddress, health);
  const temporal = await connectTemporal(configuration, log, shutdown).catch((error: unknown) => {
    if (shutdown.aborted) return undefined;
    throw error;
  });
  if (temporal === undefined) return;

  const connections = Connections.from(configuration);
  const { workerHost, maxActivities, shutdownGraceSeconds } = configuration;
  const { connection, namespace, client } = temporal;
  const isOpen = (workflowId: string, runId: string) => isRunning(client, workflowId, runId);
  const metrics = configuration.metricsAddress ? startMetrics() : undefined;
  const tracing = configuration.tracing ? await startTracing(log) : undefined;
  const running = new RunningActivities();
  const shared: Omit<WorkerOptions, 'taskQueue'> = {
    connection,
    namespace,
    identity: `${process.pid}@${workerHost}`,
    activities: createActivities({
      connections,
      tools,
      dumpFolder: configuration.dumpFolder,
      maxActivities,
      hostQueue: hostQueue(workerHost),
      wakeups: new Wakeups(),
      sharedStreams: new SharedStreams(),
      metrics,
      isRunning: isOpen,
      readPending: (workflowId) => readPending(client, workflowId),
      members: memberCalls(client),
      hasSearchAttributes: () => hasSearchAttributes(temporal),
    }),
    interceptors: {
      activity: [
        running.interceptor,
        ...(tracing ? [tracing.interceptor] : []),
        ...(metrics ? [metricsInterceptor(metrics)] : []),
        failureInterceptor,
      ],
    },
    sinks: pulseSinks,
    dataConverter: { payloadCodecs: [new LiveStatusCodec(connections, client)] },
    maxConcurrentActivityTaskExecutions: maxActivities,
    // A heartbeat is how a cancellation arrives, and what a crash loses. Activities send few by themselves.
    maxHeartbeatThrottleInterval: '100ms',
    defaultHeartbeatThrottleInterval: '100ms',
    // Activities are cancelled at once: what they do with the time left is to end in good order.
    shutdownGraceTime: 0,
    shutdownForceTime: `${shutdownGraceSeconds + FORCE_SECONDS}s`,
  };
  const workers = await Promise.all([
    Worker.create({
      ...shared,
      taskQueue: TASK_QUEUE,
      workflowBundle: await loadWorkflowBundle(),
      // One thread replays hundreds of migrations, and each costs memory.
      workflowThreadPoolSize: 1,
      maxConcurrentWorkflowTaskExecutions: 20,
      // A group and all of its collections: one that is not cached is replayed for each message.
      maxCachedWorkflows: MAX_COLLECTIONS + 100,
    }),
    Worker.create({ ...shared, taskQueue: hostQueue(workerHost) }),
  ]);
  const askTemporal = (timeoutMs: number) =>
    connection.withDeadline(Date.now() + timeoutMs, () =>
      connection.workflowService.getSystemInfo({}),
    );
  health.serve({ workers, askTemporal });
  log.info(`ready: serving ${TASK_QUEUE} and ${hostQueue(workerHost)}`, {
    aliases: connections.aliases().join(', '),
  });
  const sweep = { dumps: configuration.dumpFolder, namespace, isRunning: isOpen };
  using _sweeping = keepSwept(sweep, log);
  await runAll(workers, shutdown, running);
  await tracing?.stop();
  await connections.close();
  await connection.close();
}

// When one of them fails, the other must not go on alone and look healthy.
async function runAll(
  workers: readonly Worker[],
  shutdown: AbortSignal,
  running: RunningActivities,
): Promise<void> {
  const stop = (): void =>
    workers.filter((worker) => worker.getState() === 'RUNNING').forEach((each) => each.shutdown());
  const runs = workers.map((worker) => worker.run().finally(stop));
  shutdown.addEventListener('abort', stop);
  if (shutdown.aborted) stop();
  const failed = (await Promise.allSettled(runs)).find((run) => run.status === 'rejected');
  if (failed === undefined) return;
  // Temporal then fails on its way out with errors about its own parts.
  if (shutdown.aborted) {
    const names = running.names().join(', ');
    throw new Error(`Some activities have not ended in time (${names}); the end is forced.`);
  }
  throw failed.reason;
}

/** Everything is set by the environment. */
function refuseArguments([first]: readonly string[]): void {
  if (first === undefined) return;
  process.stderr.write(
    'csm-worker takes no arguments: environment variables set it up, and a file .env (see docs/configuration.md)\n',
  );
  process.exit(first === '--help' || first === '-h' ? 0 : 2);
}

try {
  refuseArguments(process.argv.slice(2));
  await main();
  process.exit(0);
} catch (error) {
  process.stderr.write(`${redact(error instanceof Error ? error.message : String(error))}\n`);
  process.exit(1);
}
