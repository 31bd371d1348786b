import {
  differenceBlockers,
  refusedBlockers,
  shapeBlocker,
  verificationBehind,
} from '../blockers.js';
import type { Blocker, Migration } from '../migration.js';
import { isFinal } from './phases.js';
import type { Live, MigrationState } from './status.js';

/**
 * What speaks against a cutover by the workflow's own knowledge. The lag, and differences that are
 * still there, are looked at by the cutover itself.
 */
export function stateBlockers(state: MigrationState): Blocker[] {
  const blockers: Blocker[] = [];
  const add = (code: string, message: string) => blockers.push({ code, message });
  if (isFinal(state.phase)) add('ended', `the migration is ${state.phase}`);
  if (state.aborting) add('aborting', 'the migration is being aborted');
  if (state.phase === 'cuttingOver') add('cuttingOver', 'a cutover is under way');
  if (state.paused) add('paused', 'the migration is paused: send resume');
  if (state.phase === 'waiting') add('waiting', 'the copy waits for the signal restore');
  else if (state.copy !== 'done' || state.restarting) add('copy', 'the copy is not finished');
  if (state.verification === 'planned' || state.verification === 'running') {
    add('verification', 'the comparison of all documents is not finished');
  }
  return blockers;
}

/** All that speaks against a cutover now. */
export function allBlockers(
  state: MigrationState,
  migration: Pick<Migration, 'options'>,
  live: Live | undefined,
): Blocker[] {
  const blockers = stateBlockers(state);
  if (isFinal(state.phase)) return blockers;
  const differences = live?.differences ?? state.report;
  if (differences) blockers.push(...differenceBlockers(differences));
  blockers.push(...refusedBlockers(live?.refused));
  if (!live) {
    blockers.push({ code: 'unknown', message: 'the state at the servers could not be read' });
    return blockers;
  }
  if (live.shape && live.shape.length > 0) blockers.push(shapeBlocker(live.shape));
  if (live.stalled)
    blockers.push({ code: 'stalled', message: 'the capture has stood still for 30 s' });
  if (state.verification === 'done' && live.uncomparedSeconds !== undefined) {
    blockers.push(verificationBehind(live.uncomparedSeconds));
  }
  const { maxLagSeconds } = migration.options;
  if (live.lagSeconds === undefined || live.lagSeconds > maxLagSeconds) {
    blockers.push({
      code: 'lag',
      message: `the target is ${live.lagSeconds ?? 'an unknown number of'} seconds behind; allowed are ${maxLagSeconds}`,
    });
  }
  return blockers;
}
