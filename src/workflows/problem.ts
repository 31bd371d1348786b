import { oplogSecondsLeft } from '../oplog-left.js';
import { bufferProblem, type BufferStatus } from './buffer-status.js';
import { isFinal } from './phases.js';
import type { Live, MigrationState, Problem, Unread } from './status.js';

/** What hinders a migration at the moment, and what a person can do; the gravest if there is more. */
export function problemOf(
  state: MigrationState,
  buffer: BufferStatus | null,
  live: Live | Unread | undefined,
): Problem | null {
  if (state.failure)
    return { what: state.failure, todo: 'mend what the message names, then start again' };
  if (isFinal(state.phase)) return null;
  if (state.lostDump) {
    const { partition, times, why, at } = state.lostDump;
    return {
      what: `the dump of partition ${partition} was lost ${times} times: ${why}`,
      since: at,
      todo:
        'look at the disk of CSM_DUMP_FOLDER on the worker; workers of one WORKER_HOST have to share that folder. ' +
        'It is dumped again by itself',
    };
  }
  if (!live) return null;
  if ('error' in live) {
    const what = `the state at the servers could not be read: ${live.error}`;
    return live.problem
      ? { ...live.problem, what: `${live.problem.what}; ${what}` }
      : { what, todo: 'see that source and target can be reached from the worker' };
  }
  if (live.problem) return live.problem;
  const full = bufferProblem(buffer, state, oplogHoursLeft(live));
  if (full) return full;
  const refused = live.shape?.find(({ problem }) => problem !== undefined);
  if (refused) {
    return {
      what: `the target does not take the ${refused.what} of the source: ${refused.problem}`,
      todo: 'mend what the message names at the target, or take it away at the source; it is tried again every minute',
    };
  }
  if (!live.stalled || state.phase === 'preflight') return null;
  if (live.standsSince !== undefined) {
    return {
      what: 'the change stream brings nothing although the source goes on',
      since: live.standsSince,
      todo:
        'see that the member of the source to which the connection string leads replicates, or let the ' +
        'worker read from another one; where the source searches a long stretch of its oplog, it ends by itself',
    };
  }
  return {
    what: 'capture has not been heard of for 30 s',
    todo: 'see that a worker is running and that it reaches source and target',
  };
}

/** Hours of change history that the source holds beyond what is in the buffer. */
export function oplogHoursLeft(live: Live | undefined): number | null {
  if (live?.oplogHours === undefined) return null;
  const { asOf, positions, oplogHours } = live;
  const buffered = positions.buffered === undefined ? undefined : new Date(positions.buffered);
  return Math.round(oplogSecondsLeft(oplogHours, buffered, new Date(asOf)) / 36) / 100;
}
