import { Skipped } from './skipped.js';

/** What came of each fault or case of a run. What was skipped has shown nothing, and is no failure either. */
export class Report {
  readonly happened: string[] = [];
  /** Name and reason. */
  readonly skipped: string[] = [];
  readonly problems: string[] = [];

  /** Counts one that was skipped. */
  skip(name: string, reason: string): void {
    this.skipped.push(`${name}: ${reason}`);
  }

  /** What to say at the end, a line each. */
  summary(): string[] {
    const { happened, skipped } = this;
    return [
      `happened: ${happened.length}, skipped: ${skipped.length}`,
      ...skipped.map((line) => `  SKIPPED ${line}`),
    ];
  }

  /** @returns what is wrong with the run: one in which nothing has happened shows nothing */
  verdict(): readonly string[] {
    if (this.happened.length > 0 || this.problems.length > 0) return this.problems;
    return this.skipped.length > 0 ? [] : ['nothing has happened'];
  }
}

/** Runs something that may be skipped. @returns the reason when it was */
export async function reasonOf(run: () => Promise<void>): Promise<string | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    if (error instanceof Skipped) return error.message;
    throw error;
  }
}
