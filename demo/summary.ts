import type { MigrationStatus } from '../src/workflows/status.js';
import type { Move } from './move.js';
import { number } from '../src/cli/format.js';
import type { Proof } from './proof.js';

/** What the summary tells of. */
export interface Outcome {
  readonly proof: Proof;
  readonly move: Move;
  /** The migration's final status. */
  readonly status: MigrationStatus;
  /** Writes that the application did on the source. */
  readonly writes: number;
  /** Seconds from the start to the end of the migration, and of the whole demo. */
  readonly seconds: { readonly migration: number; readonly all: number };
}

const [LABEL, SIDE] = [13, 14];

/** Whether all of it is as promised. */
export function isGood({ proof, status }: Outcome): boolean {
  return proof.isEqual && lateWrites(status) === 0 && status.phase === 'completed';
}

/** The summary, in lines of at most 80 columns as long as all is well. */
export function summaryOf(outcome: Outcome): string[] {
  const { proof, move, status, writes, seconds } = outcome;
  const { source, target, different, first } = proof.documents;
  const { catalogue, leftovers } = proof;
  const captured = number(status.captured?.events ?? 0);
  const late = lateWrites(status);
  const compared = different === 0 ? 'each compared, byte for byte' : `${number(different)} DIFFER`;
  return [
    isGood(outcome) ? 'Both sides are equal.' : 'THE TWO SIDES ARE NOT EQUAL.',
    '',
    row('', 'source', 'target'),
    row('documents', number(source.documents), number(target.documents), compared),
    row('bytes', number(source.bytes), number(target.bytes)),
    ...(['indexes', 'options'] as const).map((what) =>
      row(
        what,
        number(catalogue.source[what]),
        number(catalogue.target[what]),
        verdict(what, catalogue.differences),
      ),
    ),
    '  SHA-256 of the bytes of all documents, in the order of _id',
    `    source ${source.sha256}`,
    `    target ${target.sha256}`,
    ...[...first, ...catalogue.differences].map((each) => `  - ${each}`),
    '',
    line('writes', `${number(writes)} on the source meanwhile, ${captured} changes captured,`),
    line('', late === 0 ? 'none too late' : `${number(late)} TOO LATE`),
    line(
      'downtime',
      `${number(move.downtimeMs)} ms from the last write there to the first one here,`,
    ),
    line('', `${number(move.report.downtimeMs)} ms of it in the cutover itself (downtimeMs)`),
    line('left behind', leftovers.length === 0 ? 'nothing at the target' : leftovers.join(', ')),
    line(
      'time',
      `${seconds.migration.toFixed(1)} s to migrate, ${seconds.all.toFixed(1)} s in all`,
    ),
  ];
}

function line(label: string, text: string): string {
  return `  ${label.padEnd(LABEL)}${text}`;
}

function row(label: string, source: string, target: string, text = ''): string {
  return line(label, `${source.padStart(SIDE)}${target.padStart(SIDE)}   ${text}`).trimEnd();
}

function verdict(what: 'indexes' | 'options', differences: readonly string[]): string {
  const kind = { indexes: 'index ', options: 'option ' }[what];
  const count = differences.filter((each) => each.startsWith(kind)).length;
  return count === 0 ? 'the same' : `${count} NOT THE SAME`;
}

function lateWrites({ lateWrites: late }: MigrationStatus): number {
  return late?.count ?? 0;
}
