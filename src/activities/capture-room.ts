import { setTimeout as sleep } from 'node:timers/promises';
import type { Migration } from '../migration.js';
import { BufferRoom } from '../mongo/buffer-room.js';
import { readSize } from '../mongo/collection-size.js';
import type { CaptureState, ControlDocument } from '../mongo/control-document.js';
import { isAllApplied } from '../mongo/lag.js';
import { bufferName } from '../names.js';
import type { Opened } from './context.js';
import type { Pulse } from './pulse.js';
import { bufferLimit } from './live-limits.js';

/** How often the buffer is measured while many changes come, while few do, and while none do, in ms. */
const MEASURE_MS = { growing: 2_000, slowly: 10_000, idle: 30_000 } as const;
/** Few are changes of so many bytes since it was measured. */
const FEW_BYTES = 256 * 1024;
/** While capture waits: how often it looks for room, and says that it is there. */
const WAIT_MS = 1_000;
/** Part of the limit that is read although the buffer is full, once everything in it is applied. */
const SLICE = 0.1;

/** Lets capture read as long as the buffer has room for what it reads. */
export class CaptureRoom implements Disposable {
  readonly #opened: Opened;
  readonly #migration: Migration;
  readonly #epoch: number;
  readonly #room: BufferRoom;
  readonly #measuring: NodeJS.Timeout;
  #limit: number | null;
  /** When it was measured last, and bytes that have come since. */
  #measuredAt = 0;
  #grown = 0;
  /** Bytes that may be read although there is no room. */
  #allowance = 0;

  constructor(opened: Opened, migration: Migration, taken: ControlDocument) {
    this.#opened = opened;
    this.#migration = migration;
    this.#epoch = taken.capture.epoch;
    this.#room = new BufferRoom(taken.capture.fullSince ?? undefined);
    this.#limit = bufferLimit(migration.options, taken);
    this.#measuring = setInterval(() => {
      const restMs = this.#grown > 0 ? MEASURE_MS.slowly : MEASURE_MS.idle;
      const isDue = performance.now() - this.#measuredAt >= restMs;
      if (this.#grown <= FEW_BYTES && !isDue) return;
      // The capture itself meets whatever is wrong here, and says so.
      this.#measure().catch(() => undefined);
    }, MEASURE_MS.growing);
  }

  /** Whether capture may read on. */
  get isOpen(): boolean {
    return !this.#room.isFull(this.#limit) || this.#allowance > 0;
  }

  /** What the control document holds of it. */
  get state(): Pick<CaptureState, 'bufferBytes' | 'growth' | 'fullSince'> {
    const { bytes, growth, fullSince = null } = this.#room;
    return {
      ...(bytes !== undefined && { bufferBytes: bytes }),
      ...(growth !== undefined && { growth }),
      fullSince,
    };
  }

  /** Counts bytes that were put into the buffer. */
  add(bytes: number): void {
    this.#room.add(bytes);
    this.#grown += bytes;
    this.#allowance -= bytes;
  }

  /**
   * Returns once capture may read: as soon as the buffer has room, or when everything in it is applied. Then only
   * the comparison needs it, and what that has looked at may be settled only by changes that are still to be read.
   * So a limit never stops a migration for good; capture is as fast as the replay then.
   * @throws FencedError when a newer attempt has taken over.
   */
  async wait({ signal, touch }: Pulse, onWait: () => void): Promise<void> {
    const { control } = this.#opened;
    this.#allowance = 0;
    for (let document = await this.#measure(); !this.isOpen;) {
      touch();
      onWait();
      // A rate is told as long as somebody writes the document: it would be that of before.
      await control.advance('capture', this.#epoch, { ...this.state, rate: 0, standsSince: null });
      if (isAllApplied(document)) {
        this.#allowance = Math.ceil((this.#limit ?? 0) * SLICE);
        return;
      }
      await sleep(WAIT_MS, undefined, { signal });
      document = await this.#measure();
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#measuring);
  }

  async #measure(): Promise<ControlDocument> {
    const { control, target, targetCollection } = this.#opened;
    this.#measuredAt = performance.now();
    this.#grown = 0;
    const [{ bytes }, document] = await Promise.all([
      readSize(target, bufferName(targetCollection)),
      control.read(),
    ]);
    this.#room.measured(bytes);
    this.#limit = bufferLimit(this.#migration.options, document);
    return document;
  }
}
