import type { MigrateCollectionOptions } from '../options.js';
import type { ControlDocument } from '../mongo/control-document.js';
import type { ReadLimits } from '../mongo/pace.js';
import { type Limits, limitsOf } from '../tuning.js';
import type { Opened } from './context.js';

/** Between two looks for other limits, in ms. */
const LOOK_MS = 1_000;

/** Limits as they are now: looked up while somebody asks, without making anybody wait. */
class Live {
  readonly #read: () => Promise<ReadLimits>;
  #limits: ReadLimits;
  #readAt = Date.now();

  constructor(first: ReadLimits, read: () => Promise<ReadLimits>) {
    this.#limits = first;
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
    const keep = (limits: ReadLimits) => {
      this.#limits = limits;
    };
    // Whoever reads the collections finds out himself that a side does not answer.
    this.#read().then(keep, () => undefined);
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
  return new Live(of(document), async () => of(await control.read()));
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
  return new Live(await read(), read);
}

/** How fast changed documents may be read back at the source, as the control document said when it was last seen. */
export class CaptureLimits implements ReadLimits {
  readonly #options: MigrateCollectionOptions;
  #limits: Limits;

  constructor(options: MigrateCollectionOptions, document: ControlDocument) {
    this.#options = options;
    this.#limits = tunedLimits(document, options);
  }

  get documentsPerSecond(): number | undefined {
    return this.#limits.captureDocumentsPerSecond ?? undefined;
  }

  get bytesPerSecond(): number | undefined {
    return this.#limits.captureBytesPerSecond ?? undefined;
  }

  /** Capture writes all the time, and each time it is given the document. */
  hear(document: ControlDocument): void {
    this.#limits = tunedLimits(document, this.#options);
  }
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
