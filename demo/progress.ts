import { number } from '../src/cli/format.js';
import type { Phase } from '../src/workflows/phases.js';
import type { MigrationStatus } from '../src/workflows/status.js';
import type { Row } from './display.js';

/** What happens in each phase, in the words of the demo. */
export const phaseTexts: Readonly<Record<Phase, string>> = {
  preflight: 'looking at both sides, nothing is written yet',
  copying: 'the documents are copied, every change is kept in the buffer',
  waiting: 'the copy waits for the signal restore',
  replaying: 'the changes are applied, every document is compared',
  ready: 'the target follows the source',
  cuttingOver: 'the last changes, then indexes and options come into force',
  completed: 'applications use the target',
  aborted: 'aborted',
  failed: 'failed',
};

/** What is read off the writers. */
export interface WritersState {
  readonly count: number;
  readonly perSecond: number;
}

/** How a migration and its writers stand, in rows for the display. */
export function rowsOf(
  status: MigrationStatus,
  writers: WritersState,
  copyPerSecond: number,
): Row[] {
  const { phase, copied, total, copiedPercent, verification, captured, applied, lagSeconds } =
    status;
  const isCopied = copiedPercent === 100;
  const rate = copyPerSecond > 0 ? ` (${number(copyPerSecond)}/s)` : '';
  // Its documents are all there before the copy is over.
  const after = phase === 'copying' ? ', building indexes' : '';
  const copyNote = isCopied
    ? `${number(copied.documents)} documents${after}`
    : `${number(copied.documents)} of ${number(total.documents)}${rate}`;
  const compared =
    verification.state === 'done' ? 1 : ratio(verification.documents, total.documents);
  return [
    {
      name: 'copy',
      fraction: (copiedPercent ?? 0) / 100,
      note: copyNote,
    },
    {
      name: 'compare',
      fraction: compared,
      note:
        verification.state === 'planned' ? 'later' : `${number(verification.documents)} documents`,
    },
    {
      name: 'changes',
      note: `captured ${counted(captured?.events, captured?.eventsPerSecond)}, applied ${counted(applied?.changes, applied?.changesPerSecond)}`,
    },
    { name: 'lag', note: lagSeconds === null ? 'not known yet' : `${lagSeconds.toFixed(1)} s` },
    { name: 'writers', note: `${counted(writers.count, writers.perSecond)} on the source` },
  ];
}

function counted(count = 0, perSecond = 0): string {
  return `${number(count)} (${number(perSecond)}/s)`;
}

function ratio(part: number, whole: number): number {
  return whole > 0 ? Math.min(1, part / whole) : 0;
}
