import type { Environment } from '../test/e2e/environment.js';
import { type Figures, perSecond } from './case.js';
import { startCpuClock, startOwnCpuClock } from './cpu.js';

/** The servers of an environment whose CPU is counted, by name. */
export function serversOf({ source, target }: Environment) {
  return { source: source.members[0]?.pid, target: target.members[0]?.pid };
}

/**
 * Measures work that is done in this process: how much of it a second, and its CPU and that of servers.
 * @param unit `events` gives the figure `eventsPerSecond`.
 * @param work how much was done.
 */
export async function measureRate(
  unit: 'events' | 'changes' | 'documents',
  servers: Readonly<Record<string, number | undefined>>,
  work: () => Promise<number>,
): Promise<Figures> {
  const own = startOwnCpuClock();
  const used = startCpuClock(servers);
  const begun = performance.now();
  const done = await work();
  const seconds = (performance.now() - begun) / 1000;
  return {
    [unit]: done,
    [`${unit}PerSecond`]: perSecond(done, seconds),
    ownCpuSPerMillion: own(done),
    ...used(),
  };
}
