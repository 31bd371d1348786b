import type { MigrateCollectionOptions } from '../options.js';
import type { ControlDocument } from '../mongo/control-document.js';
import type { ReadLimits } from '../mongo/pace.js';
import { type Limits, limitsOf } from '../tuning.js';
import type { Opened } from './context.js';

/** Between two looks for other limits, in ms. */
const LOOK_MS = 1_000;

/** Limits as they are now: looked up while somebody asks, without making anybody wait. */
class Live<Found> {
  readonly #of: (found: Found) => ReadLimits;
  readonly #read: () => Promise<Found>;
  #limits: ReadLimits;
  #readAt = Date.now();

  constructor(first: Found, of: (found: Found) => ReadLimits, read: () => Promise<Found>) {
    this.#limits = of(first);
    this.#of = of;
    this.#read = read;
  }

  get documentsPerSecond(): number | undefined {
    this.#look();
    return this.#limits.documentsPerSecond;
  }

  get bytesPerSecond(): number | undefined {
    this.#look();
    return this.#limits.bytesPerSecond;
  }

  #look(): void {
    if (Date.now() - this.#readAt < LOOK_MS) return;
    this.#readAt = Date.now();
    // Whoever reads the collections finds out himself that a side does not answer.
    this.#read().then(
      (found) => this.hear(found),
      () => undefined,
    );
  }

  hear(found: Found): void {
    this.#limits = this.#of(found);
    this.#readAt = Date.now();
  }
}

/** How fast both sides may be compared, as it was tuned last. */
export function verifyLimits(
  { control }: Pick<Opened, 'control'>,
  options: MigrateCollectionOptions,
  document: ControlDocument,
): ReadLimits {
  const of = (found: ControlDocument): ReadLimits => {
    const limits = tunedLimits(found, options);
    return {
      documentsPerSecond: limits.verifyDocumentsPerSecond ?? undefined,
      bytesPerSecond: limits.verifyBytesPerSecond ?? undefined,
    };
  };
  return new Live(document, of, () => control.read());
}

/**
 * How fast one partition may be copied, as it was tuned last: the limits of the copy are shared by all
 * partitions that are under way, on whichever worker.
 */
export async function copyLimits(
  { control, plan }: Pick<Opened, 'control' | 'plan'>,
  options: MigrateCollectionOptions,
): Promise<ReadLimits> {
  const read = async (): Promise<ReadLimits> => {
    const limits = tunedLimits(await control.read(), options);
    const { copyDocumentsPerSecond: documents, copyBytesPerSecond: bytes } = limits;
    if (documents === null && bytes === null) return {};
    const sharing = Math.max(1, await plan.countUnderWay());
    return {
      documentsPerSecond: documents === null ? undefined : documents / sharing,
      bytesPerSecond: bytes === null ? undefined : bytes / sharing,
    };
  };
  return new Live(await read(), (limits) => limits, read);
}

/** Limits that are told of every document that comes by anyway, and look for one only where none does. */
export interface HearingLimits extends ReadLimits {
  hear(document: ControlDocument): void;
}

/** How fast changed documents may be read back at the source, as it was tuned last. */
export function captureLimits(
  { control }: Pick<Opened, 'control'>,
  options: MigrateCollectionOptions,
  document: ControlDocument,
): HearingLimits {
  const of = (found: ControlDocument): ReadLimits => {
    const limits = tunedLimits(found, options);
    return {
      documentsPerSecond: limits.captureDocumentsPerSecond ?? undefined,
      bytesPerSecond: limits.captureBytesPerSecond ?? undefined,
    };
  };
  return new Live(document, of, () => control.read());
}

/** Changes that may be applied at once, as it was tuned last; nothing is no limit. */
export function replayBatch(
  options: MigrateCollectionOptions,
  document: ControlDocument,
): number | undefined {
  return tunedLimits(document, options).replayBatch ?? undefined;
}

/** Bytes that the buffer may have before capture waits, as it was tuned last; `null` is no limit. */
export function bufferLimit(
  options: MigrateCollectionOptions,
  document: ControlDocument,
): number | null {
  return tunedLimits(document, options).maxBufferBytes;
}

/** A worker that does not know some limit may have written the others. */
function tunedLimits({ limits }: ControlDocument, options: MigrateCollectionOptions): Limits {
  return { ...limitsOf(options), ...limits };
}
