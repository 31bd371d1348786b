import { Cleanup } from './cleanup.js';
import type { Display } from './display.js';

/** What the whole demo shares: where it is told, what it has started, and what may fail beside it. */
export class Stage {
  readonly display: Display;
  readonly cleanup = new Cleanup();
  /** Rejects when something that is watched fails; never resolves. */
  readonly failed: Promise<never>;
  /** The end of a log, for the message about a failure. */
  logTail: (() => Promise<string>) | undefined;
  /** Whether both sides were found equal, once that is known. */
  isProven = false;
  readonly #said = new Set<string>();
  #fail: (error: unknown) => void = () => {};

  constructor(display: Display) {
    this.display = display;
    this.failed = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
  }

  /** Lets the demo end when this fails. */
  watch(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#fail(error));
  }

  /** Writes a heading. */
  chapter(title: string): void {
    this.display.say(`\n${title}`);
  }

  /** Writes a line that stays. */
  say(line: string): void {
    this.display.say(line);
  }

  /** Writes a line unless it has been written before. */
  sayOnce(line: string): void {
    if (!this.#said.has(line)) this.say(line);
    this.#said.add(line);
  }
}
