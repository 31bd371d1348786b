import { Context } from '@temporalio/activity';
import type { Opened } from './context.js';

const PROGRESS_WRITE_MS = 1_000;

/** Writes a partition's progress into the plan, at most once a second. */
export class ProgressWriter {
  readonly #opened: Opened;
  readonly #partition: number;
  #writtenAt = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(opened: Opened, partition: number) {
    this.#opened = opened;
    this.#partition = partition;
  }

  write(fields: Parameters<Opened['plan']['update']>[1]): void {
    if (Date.now() - this.#writtenAt < PROGRESS_WRITE_MS) return;
    this.#writtenAt = Date.now();
    // One after the other: a transaction of the copy may hold one up, and a later one has to be the last.
    this.#last = this.#last
      .then(() => this.#opened.plan.update(this.#partition, fields))
      .catch((error: unknown) => {
        Context.current().log.debug('progress could not be written', { error });
      });
  }

  /** Returns when nothing is being written any more. */
  async settled(): Promise<void> {
    await this.#last;
  }

  async end(fields: Parameters<Opened['plan']['update']>[1]): Promise<void> {
    await this.settled();
    await this.#opened.plan.update(this.#partition, fields);
  }
}
