import { CancelledFailure, Context } from '@temporalio/activity';
import type { Activities } from '../../src/activities/index.js';
import type { ComparisonReport } from '../../src/comparison.js';
import type { FoundCollections, Group } from '../../src/group.js';
import type { Inspection } from '../../src/inspection.js';
import type { CutoverReport, Traits, VerificationReport } from '../../src/migration.js';
import { deferred } from './deferred.js';

/** Name of an activity. */
export type Step = keyof Activities;

type Results = { [Name in Step]: Awaited<ReturnType<Activities[Name]>> };
type Behaviour<Name extends Step> = (
  ...args: Parameters<Activities[Name]>
) => Promise<Results[Name]>;
type Behaviours = { [Name in Step]: Behaviour<Name> };

/** What preflight finds out unless a test says otherwise. */
export const traits: Traits = {
  documents: 30,
  bytes: 3000,
  capped: false,
  exactOnly: false,
  preImages: true,
  features: { collMod: true, prepareUnique: true, ttlCollMod: true },
  warnings: [],
};

/** A comparison that found nothing. */
export const cleanReport: VerificationReport = {
  documents: 30,
  bytes: 3000,
  differing: 0,
  missing: 0,
  extra: 0,
  first: [],
};

/** What a cutover tells unless a test says otherwise. */
export const report: CutoverReport = {
  fence: '1700000000.1',
  fencedAt: '2026-01-02T03:04:05.000Z',
  openedAt: '2026-01-02T03:04:05.250Z',
  downtimeMs: 250,
  drainedEvents: 2,
  drainedChanges: 1,
  rechecked: 0,
  differences: { differing: 0, missing: 0, extra: 0, first: [] },
  captured: 12,
  applied: 11,
  copied: { documents: 30, bytes: 3000 },
  buffered: { changes: 11, bytes: 1200 },
};

/** What `inspect` answers unless a test says otherwise. */
export const inspection: Inspection = {
  mayStart: true,
  errors: [],
  warnings: [],
  estimatedCopyHours: 0.1,
  singlePartition: false,
  natural: false,
  found: { indexes: 1, options: 0 },
};

/** A comparison of two equal collections. */
export const comparisonReport: ComparisonReport = {
  equal: true,
  source: { documents: 30, bytes: 3000 },
  target: { documents: 30, bytes: 3000 },
  differing: 0,
  missing: 0,
  extra: 0,
  unsettled: 0,
  first: [],
  indexDifferences: [],
  optionDifferences: [],
};

/** Something that a test lets happen later. */
export class Gate {
  readonly #opened = deferred();

  open(): void {
    this.#opened.resolve();
  }

  /** Returns `result` once the gate is open; ends with the activity's cancellation. */
  async hold<T>(result: T): Promise<T> {
    return Promise.race([this.#opened.promise.then(() => result), untilCancelled()]);
  }

  /** Returns once the gate is open, whatever is cancelled meanwhile. */
  async wait(): Promise<void> {
    await this.#opened.promise;
  }
}

/** Goes on until the activity is cancelled, and ends as a cancelled activity should. */
export async function untilCancelled(): Promise<never> {
  const context = Context.current();
  // A cancellation arrives with a heartbeat's answer.
  const beat = setInterval(() => context.heartbeat('going on'), 20);
  try {
    return await context.cancelled;
  } finally {
    clearInterval(beat);
  }
}

/** What the namespaces of a group stand for: themselves. */
export function foundAll({ namespaces }: Group['options']): FoundCollections {
  return {
    collections: namespaces.map((namespace) => ({
      namespace,
      targetNamespace: namespace,
      documents: 30,
      bytes: 3000,
    })),
    leftOut: [],
    warnings: [],
  };
}

const defaults: Behaviours = {
  preflight: async () => traits,
  captureToken: async () => ({ resumeToken: '8265', buffer: 'shop.cdc.orders' }),
  capture: untilCancelled,
  planCopy: async () => 3,
  dump: async (_migration, partition) => ({
    partition,
    documents: 10,
    bytes: 1000,
    hostQueue: Context.current().info.taskQueue,
  }),
  restore: async () => ({ documents: 10 }),
  copyPartition: async () => ({ documents: 10, bytes: 1000 }),
  discardCopy: async ({ round = 0 }) => round,
  buildIndexes: async () => 2,
  renameStaging: async () => 'shop.orders',
  replay: untilCancelled,
  followShape: untilCancelled,
  catchUp: async () => undefined,
  verify: async () => cleanReport,
  reverify: untilCancelled,
  cutover: async () => ({ done: report }),
  letGo: async () => undefined,
  untilLagIs: async () => undefined,
  untilLagsAre: async () => undefined,
  tune: async () => undefined,
  untilProblemChanges: async () => untilCancelled(),
  dryRun: async () => [],
  convertIndexes: async () => undefined,
  countLateWrites: async () => ({ count: 0, first: [] }),
  cleanUp: async () => ({ removed: ['shop.cdc.orders'], left: ['shop.orders'] }),
  inspect: async () => inspection,
  compareCollections: async () => comparisonReport,
  resolveCollections: async ({ options }) => foundAll(options),
  watchCollections: async () => untilCancelled(),
  tellMembers: async (letters) => letters.length,
  dryRunTogether: async () => [],
  cutoverTogether: async (_group, { members }) => ({
    done: { ...report, collections: members.length },
    reports: members.map(() => report),
  }),
};

/** One call of an activity. */
export interface Call {
  readonly id: string;
  readonly step: Step;
  readonly attempt: number;
  readonly args: readonly unknown[];
}

/**
 * Activities that touch no server. Each does what a migration without incident would see, until a
 * test gives it another behaviour. What happens is logged as `start <id>`, and then `end <id>`,
 * `cancelled <id>` or `failed <id>`.
 */
export class FakeActivities {
  readonly log: string[] = [];
  readonly calls: Call[] = [];
  readonly #behaviours: Behaviours = { ...defaults };
  readonly #gates: Gate[] = [];
  #next = deferred();
  #over = false;

  /** Gives an activity another behaviour from its next call on. */
  set<Name extends Step>(name: Name, behaviour: Behaviour<Name>): this {
    Object.assign(this.#behaviours, { [name]: behaviour });
    return this;
  }

  /** Gives an activity another behaviour for its next call. */
  once<Name extends Step>(name: Name, behaviour: Behaviour<Name>): this {
    const before: Behaviour<Name> = this.#behaviours[name];
    return this.set(name, (...args) => {
      this.set(name, before);
      return behaviour(...args);
    });
  }

  /** A gate that opens at the latest when the test is over, so that no worker waits for it. */
  gate(): Gate {
    const gate = new Gate();
    this.#gates.push(gate);
    return gate;
  }

  /** Ends what still waits. */
  end(): void {
    for (const gate of this.#gates) gate.open();
  }

  /** Calls of one activity. */
  of(name: Step): Call[] {
    return this.calls.filter(({ step }) => step === name);
  }

  /**
   * Ids of what had started and not ended when the log first got a line.
   * @throws when it has none
   */
  underWayAt(line: string): string[] {
    const at = this.log.indexOf(line);
    if (at < 0) throw new Error(`there is no "${line}": ${this.log.join(', ')}`);
    const running: string[] = [];
    for (const each of this.log.slice(0, at)) {
      const [what = '', id = ''] = each.split(' ');
      if (what === 'start') running.push(id);
      else running.splice(running.indexOf(id), 1);
    }
    return running;
  }

  /**
   * Returns when the log holds the line (or so many of it).
   * @throws when the migration ends without it.
   */
  async happened(line: string, times = 1): Promise<void> {
    const isThere = () => this.log.filter((other) => other === line).length >= times;
    while (!isThere()) {
      if (this.#over)
        throw new Error(`the migration ended without "${line}": ${this.log.join(', ')}`);
      await this.#next.promise;
    }
  }

  /** Says that nothing more will happen. */
  ended(): void {
    this.#over = true;
    this.#wake();
  }

  /** The activities, to be given to a worker. */
  activities(): Activities {
    return {
      preflight: (...args) => this.#run('preflight', args),
      captureToken: (...args) => this.#run('captureToken', args),
      capture: (...args) => this.#run('capture', args),
      planCopy: (...args) => this.#run('planCopy', args),
      dump: (...args) => this.#run('dump', args),
      restore: (...args) => this.#run('restore', args),
      copyPartition: (...args) => this.#run('copyPartition', args),
      discardCopy: (...args) => this.#run('discardCopy', args),
      buildIndexes: (...args) => this.#run('buildIndexes', args),
      renameStaging: (...args) => this.#run('renameStaging', args),
      replay: (...args) => this.#run('replay', args),
      followShape: (...args) => this.#run('followShape', args),
      catchUp: (...args) => this.#run('catchUp', args),
      verify: (...args) => this.#run('verify', args),
      reverify: (...args) => this.#run('reverify', args),
      cutover: (...args) => this.#run('cutover', args),
      letGo: (...args) => this.#run('letGo', args),
      untilLagIs: (...args) => this.#run('untilLagIs', args),
      untilLagsAre: (...args) => this.#run('untilLagsAre', args),
      tune: (...args) => this.#run('tune', args),
      untilProblemChanges: (...args) => this.#run('untilProblemChanges', args),
      dryRun: (...args) => this.#run('dryRun', args),
      convertIndexes: (...args) => this.#run('convertIndexes', args),
      countLateWrites: (...args) => this.#run('countLateWrites', args),
      cleanUp: (...args) => this.#run('cleanUp', args),
      inspect: (...args) => this.#run('inspect', args),
      compareCollections: (...args) => this.#run('compareCollections', args),
      resolveCollections: (...args) => this.#run('resolveCollections', args),
      watchCollections: (...args) => this.#run('watchCollections', args),
      tellMembers: (...args) => this.#run('tellMembers', args),
      dryRunTogether: (...args) => this.#run('dryRunTogether', args),
      cutoverTogether: (...args) => this.#run('cutoverTogether', args),
    };
  }

  #run<Name extends Step>(name: Name, args: Parameters<Activities[Name]>): Promise<Results[Name]> {
    const { activityId: id, attempt } = Context.current().info;
    this.calls.push({ id, step: name, attempt, args });
    this.#note(`start ${id}`);
    return this.#behaviours[name](...args).then(
      (result) => {
        this.#note(`end ${id}`);
        return result;
      },
      (error: unknown) => {
        this.#note(`${error instanceof CancelledFailure ? 'cancelled' : 'failed'} ${id}`);
        throw error;
      },
    );
  }

  #note(line: string): void {
    this.log.push(line);
    this.#wake();
  }

  #wake(): void {
    const before = this.#next;
    this.#next = deferred();
    before.resolve();
  }
}
