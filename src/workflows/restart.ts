import type { Migration } from '../migration.js';
import type { MigrationState } from './status.js';

/** Why the copy cannot begin anew now, in words. */
export function restartProblem(
  { phase, cutover, aborting }: Pick<MigrationState, 'phase' | 'cutover' | 'aborting'>,
  { isCutoverAsked, isEnding }: { readonly isCutoverAsked: boolean; readonly isEnding: boolean },
): string | undefined {
  if (cutover) return 'restart comes too late: the cutover is done';
  if (aborting || isEnding) return 'restart comes too late: the migration is ending';
  if (phase === 'preflight') return 'restart comes too early: the copy has not begun';
  if (isCutoverAsked || phase === 'cuttingOver') {
    return 'a cutover is under way: send restart when it has been refused';
  }
  return undefined;
}

/** Notes that the copy is to begin anew. One that is about to begin is what was asked for. */
export function askRestart(
  state: MigrationState,
  options: Pick<Migration['options'], 'verify'>,
  asked: { readonly at: string; readonly reason?: string },
): void {
  if (state.restarting) return;
  state.restarting = true;
  state.restarts = { count: (state.round ?? 0) + 1, ...asked };
  forgetCopy(state, options);
}

/** Forgets what is known of a copy that is discarded. */
export function forgetCopy(
  state: MigrationState,
  { verify }: Pick<Migration['options'], 'verify'>,
): void {
  state.phase = 'copying';
  state.copy = 'planned';
  state.verification = verify === 'none' ? 'none' : 'planned';
  delete state.report;
  delete state.verifiedAt;
  delete state.refused;
}
