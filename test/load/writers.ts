import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** What the writers write. */
export interface WriterOptions {
  /** Connection string of the source. */
  readonly uri: string;
  /** Collections of the database `shop`, each with the documents of `_id` 0 to `documents` - 1. */
  readonly collections: readonly string[];
  readonly documents: number;
  /** Changes to make, all together; each is one event of the change stream. */
  readonly changes: number;
  /** Bulk writes at the same time. */
  readonly lanes: number;
  readonly perBulk: number;
  /** Changes per second at most; as fast as the source takes them when left out. */
  readonly perSecond?: number;
}

/** What the writers' process is told: to begin, or how many changes it may have made by now. */
export type ToWriter = WriterOptions | { readonly allow: number };

/** What it tells: how many are acknowledged. */
export interface FromWriter {
  readonly made: number;
}

/** Writers in a process of their own, so that they do not count among what is measured. */
export class Writers {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown[]>;
  #made = 0;

  /** `allow`: changes that may be made before `allow` is called; all of them when left out. */
  constructor(options: WriterOptions, allow = options.changes) {
    const program = fileURLToPath(new URL('writer.ts', import.meta.url));
    this.#child = fork(program, [], { execArgv: ['--import', 'tsx'] });
    this.#exit = once(this.#child, 'exit');
    this.#child.on('message', ({ made }: FromWriter) => {
      this.#made = made;
    });
    this.#child.send(options);
    this.allow(allow);
  }

  /** Changes that were acknowledged. */
  get made(): number {
    return this.#made;
  }

  /** So many changes may have been made from now on, all together. */
  allow(changes: number): void {
    // It may just have ended, which its exit tells.
    this.#child.send({ allow: changes } satisfies ToWriter, () => undefined);
  }

  /** Returns when all changes are made. @throws when the process ends otherwise */
  async done(): Promise<void> {
    const [code] = await this.#exit;
    if (code !== 0) throw new Error(`the writers ended with ${String(code)}`);
  }

  /** Ends them wherever they are. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exit;
  }
}
