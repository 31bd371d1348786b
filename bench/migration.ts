import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { type Environment, untilServing } from '../test/e2e/environment.js';
import { completedAt, historyOf } from '../test/helpers/history.js';
import type { MigrationStatus } from '../src/workflows/status.js';
import { type Figures, perSecond } from './case.js';
import { round, startCpuClock } from './cpu.js';
import type { Updates } from './updates.js';

const RETRY_MS = 500;

/** Asks for the cutover until it is not refused; the writers go on until it answers. */
export async function measureCutover(
  environment: Environment,
  handle: WorkflowHandle,
  updates: Updates,
): Promise<Figures> {
  let refused = 0;
  let askedAt = performance.now();
  for (;;) {
    await environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
    askedAt = performance.now();
    try {
      await handle.executeUpdate('cutover', { args: [{}] });
      break;
    } catch (error) {
      refused += 1;
      const { cause } = error as { cause?: Error };
      process.stderr.write(`refused: ${cause?.message ?? String(error)}\n`);
      await sleep(RETRY_MS);
    }
  }
  const answeredMs = performance.now() - askedAt;
  const answeredAt = Date.now();
  const { perSecond: writesPerSecond } = await updates.stop();
  const isOver = ({ phase }: MigrationStatus) => phase === 'completed';
  const { cutover } = await environment.until(handle, 'completed', isOver);
  // The server's own time: a client may hear of the end late.
  const { closeTime } = await handle.describe();
  const completedMs = answeredMs + (closeTime?.getTime() ?? Number.NaN) - answeredAt;
  return {
    downtimeMs: cutover?.downtimeMs ?? Number.NaN,
    answeredMs: Math.round(answeredMs),
    completedMs: Math.round(completedMs),
    drainedEvents: cutover?.drainedEvents ?? Number.NaN,
    rechecked: cutover?.rechecked ?? Number.NaN,
    refused,
    writesPerSecond,
  };
}

/** The indexes are there, and the copy has its name. */
const COPIED: readonly string[] = ['replaying', 'ready'];

/**
 * The copy of a migration, from its start until it has its name and its indexes; the migration is removed again.
 * `plannedS` is until its partitions are known, of which the first are read at once.
 * @param pids of processes whose CPU is counted, by name
 */
export async function measureCopy(
  environment: Environment,
  name: string,
  documents: number,
  options: object,
  pids: Readonly<Record<string, number | undefined>>,
): Promise<Figures> {
  const used = startCpuClock(pids);
  const begun = Date.now();
  const handle = await environment.migrate(name, { verify: 'none', ...options });
  await environment.until(handle, 'copied', ({ phase }) => COPIED.includes(phase));
  const cpu = used();
  // The server's own time: a client that asks now and then hears of it late.
  const history = await historyOf(handle);
  const secondsUntil = (step: string) => (completedAt(history, step).getTime() - begun) / 1000;
  const seconds = secondsUntil('renameStaging');
  await handle.executeUpdate('abort', { args: [{ dropTarget: true }] });
  await handle.result();
  return {
    plannedS: round(secondsUntil('planCopy')),
    copiedS: round(seconds),
    documentsPerSecond: perSecond(documents, seconds),
    ...cpu,
  };
}

/** How a worker is started otherwise than usual: variables, and flags of Node.js. */
export interface WorkerSetting {
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[] | undefined;
}

/** Runs something with a worker of its own, and removes what the migration has made. */
export async function withWorker<T>(
  environment: Environment,
  program: string,
  work: (worker: { readonly pid: number | undefined }) => Promise<T>,
  { env, flags }: WorkerSetting = {},
): Promise<T> {
  const worker = environment.startWorker(env, program, undefined, flags);
  try {
    await untilServing(worker);
    return await work({ pid: worker.process.pid });
  } catch (error) {
    process.stderr.write(worker.log());
    throw error;
  } finally {
    await worker.kill('SIGTERM');
    await environment.targetClient.db('shop').dropDatabase();
  }
}
