import { setTimeout as sleep } from 'node:timers/promises';
import type { MigrationStatus } from '../src/workflows/status.js';
import type { Migration } from './migration.js';
import { CopySpeed } from '../src/cli/copy-speed.js';
import { phaseTexts, rowsOf } from './progress.js';
import type { Stage } from './stage.js';
import type { Writers } from './writers.js';

const POLL_MS = 500;

/**
 * Shows how the migration goes on until `until` says that it is far enough.
 *
 * @throws Error with the reason when the migration ends before
 */
export async function follow(
  stage: Stage,
  migration: Migration,
  writers: Writers,
  until: (status: MigrationStatus) => boolean,
): Promise<MigrationStatus> {
  const speed = new CopySpeed();
  for (;;) {
    const status = await migration.status();
    const { phase, copied, problem, warnings } = status;
    for (const warning of warnings) stage.sayOnce(`  warning: ${warning}`);
    if (phase === 'failed' || phase === 'aborted') await migration.result();
    if (problem !== null) stage.sayOnce(`  problem: ${problem.what}; ${problem.todo}`);
    stage.sayOnce(`  ${phase}: ${phaseTexts[phase]}`);
    if (until(status)) {
      stage.display.clear();
      return status;
    }
    const perSecond = speed.perSecond(copied.documents, performance.now());
    stage.display.show(rowsOf(status, writers, perSecond));
    await sleep(POLL_MS);
  }
}
