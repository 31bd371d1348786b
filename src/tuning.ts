import type { z } from 'zod';
import { objectOf } from './fields.js';
import { DIRECT_ONLY, migrateCollectionInput, type MigrateCollectionOptions } from './options.js';

const { shape } = migrateCollectionInput;

/** Payload of `tune`: what is left out stays as it is, and a limit of `null` is none. */
export const tuneFields = {
  /** Partitions copied at the same time. Of those under way none is stopped. */
  parallelPartitions: shape.parallelPartitions.unwrap().optional(),
  /** Compress the dump files of partitions that are still to be dumped. */
  gzip: shape.gzip.unwrap().optional(),
  copyDocumentsPerSecond: shape.copyDocumentsPerSecond.unwrap().nullable().optional(),
  copyBytesPerSecond: shape.copyBytesPerSecond.unwrap().nullable().optional(),
  captureDocumentsPerSecond: shape.captureDocumentsPerSecond.unwrap().nullable().optional(),
  captureBytesPerSecond: shape.captureBytesPerSecond.unwrap().nullable().optional(),
  replayBatch: shape.replayBatch.unwrap().nullable().optional(),
  verifyDocumentsPerSecond: shape.verifyDocumentsPerSecond.unwrap().nullable().optional(),
  verifyBytesPerSecond: shape.verifyBytesPerSecond.unwrap().nullable().optional(),
  maxBufferBytes: shape.maxBufferBytes.unwrap().nullable().optional(),
} as const;

/** Payload of `tune`. */
export const tuneInput = tuningOf(tuneFields).prefault({});

/** Payload of `tune` with these fields, of which at least one is given. */
export function tuningOf<Fields extends z.core.$ZodLooseShape>(fields: Fields) {
  const known = Object.keys(fields).join(', ');
  return objectOf(fields).refine(
    (given) => Object.keys(given).length > 0,
    `give at least one of: ${known}`,
  );
}

export type Tuning = Readonly<z.infer<typeof tuneInput>>;

/** Limits that running activities look at; `null` is none. */
export interface Limits {
  readonly copyDocumentsPerSecond: number | null;
  readonly copyBytesPerSecond: number | null;
  readonly captureDocumentsPerSecond: number | null;
  readonly captureBytesPerSecond: number | null;
  readonly replayBatch: number | null;
  readonly verifyDocumentsPerSecond: number | null;
  readonly verifyBytesPerSecond: number | null;
  readonly maxBufferBytes: number | null;
}

/** What can be tuned, as it is now. */
export interface Settings extends Limits {
  readonly parallelPartitions: number;
  readonly gzip: boolean;
}

type TunedOptions = Pick<MigrateCollectionOptions, keyof Settings>;

/** The options of a migration with what was tuned since. */
export function settingsOf(options: TunedOptions, tuned: Tuning = {}): Settings {
  return {
    parallelPartitions: tuned.parallelPartitions ?? options.parallelPartitions,
    gzip: tuned.gzip ?? options.gzip,
    ...limitsOf({ ...options, ...tuned }),
  };
}

/** The limits among some options, and nothing else of them. */
export function limitsOf(given: {
  readonly [Name in keyof Limits]?: number | null | undefined;
}): Limits {
  return {
    copyDocumentsPerSecond: given.copyDocumentsPerSecond ?? null,
    copyBytesPerSecond: given.copyBytesPerSecond ?? null,
    captureDocumentsPerSecond: given.captureDocumentsPerSecond ?? null,
    captureBytesPerSecond: given.captureBytesPerSecond ?? null,
    replayBatch: given.replayBatch ?? null,
    verifyDocumentsPerSecond: given.verifyDocumentsPerSecond ?? null,
    verifyBytesPerSecond: given.verifyBytesPerSecond ?? null,
    maxBufferBytes: given.maxBufferBytes ?? null,
  };
}

/** Whether a setting is of the copy. */
function isOfCopy(name: string): boolean {
  return name === 'parallelPartitions' || name === 'gzip' || name.startsWith('copy');
}

/** What of a tuning has an effect; nothing where none of it has. */
export function tuningFor(tuning: Tuning, isCopied: boolean): Tuning | null {
  const left = Object.entries(tuning).filter(([name]) => !isCopied || !isOfCopy(name));
  return left.length > 0 ? Object.fromEntries(left) : null;
}

/** What a tuning would have no effect on; nothing where all of it has one. */
export function tuningProblem(
  tuning: Tuning,
  { copy, verify }: Pick<MigrateCollectionOptions, 'copy' | 'verify'>,
  isCopied: boolean,
): string | undefined {
  const names = Object.keys(tuning);
  const ofCopy = names.find(isOfCopy);
  if (isCopied && ofCopy !== undefined) return `"${ofCopy}": the copy is finished`;
  if (copy === 'direct' && tuning.gzip !== undefined) {
    return '"gzip": there are no dump files with "copy": "direct"';
  }
  const limit = names.find((name) => name.startsWith('copy'));
  if (copy === 'dump' && limit !== undefined) return `"${limit}": ${DIRECT_ONLY}`;
  const compared = names.find((name) => name.startsWith('verify'));
  if (verify === 'none' && compared !== undefined) {
    return `"${compared}": nothing is compared with "verify": "none"`;
  }
  return undefined;
}
