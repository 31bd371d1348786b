import {
  allHandlersFinished,
  CancellationScope,
  condition,
  isCancellation,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { Blocker, Migration, Traits } from '../migration.js';
import { planOf } from '../cutover-plan.js';
import { parseMigrateCollection } from '../options.js';
import type { Membership } from '../group.js';
import { Attributes } from './attributes.js';
import { Counters } from './counters.js';
import { renderDetails } from './details.js';
import { CutoverPlanner } from './cutover-planner.js';
import { acceptInput, bareFailure, messageOf, payloadOf } from './failure.js';
import { Member } from './group/member.js';
import { identityOfRun, now, startedAt } from './identity.js';
import { Inbox } from './inbox.js';
import { liveDetails, liveStatus } from './live.js';
import { descriptions, statusQuery } from './messages.js';
import { Rounds } from './rounds.js';
import { buildStatus, initialState, type MigrationState, type MigrationStatus } from './status.js';
import { step } from './steps.js';
import { Tuner } from './tuner.js';
import { type Beside, Work } from './work.js';

/** Whoever asks for a dry run waits for its answer. */
const LOOK_LIMITS = { scheduleToCloseTimeout: '30s' } as const;
/** The source may be switched off once the target is open. */
const LATE_LIMITS = { overrides: { scheduleToCloseTimeout: '2 minutes' } } as const;
/** How long a migration that has failed tries to clean up. */
const FAILED_CLEAN_UP = '10 minutes' as const;

/**
 * Moves one live collection: token, capture, copy, replay, verification, cutover. Signals `restore`,
 * `cutover`, `pause`, `resume`, `tune`, `restart`, `abort`; updates of the same names; query `status`.
 * @param input see `migrateCollectionInput`.
 * @param group which it belongs to; only `migrateCollections` gives one.
 * @returns the final status.
 */
export async function migrateCollection(
  input?: unknown,
  group?: Membership,
): Promise<MigrationStatus> {
  const isStrange = group !== undefined && typeof group?.workflowId !== 'string';
  const given = isStrange ? payloadOf([input, group]) : input;
  const options = acceptInput(parseMigrateCollection(given, undefined, startedAt()));
  return new CollectionMigration({ ...identityOfRun(), options }, group).run();
}

class CollectionMigration {
  readonly #identity: Omit<Migration, 'traits'>;
  readonly #state: MigrationState;
  readonly #inbox: Inbox;
  readonly #tuner: Tuner;
  readonly #counters: Counters;
  readonly #story = new CancellationScope();
  readonly #work = new Work(() => this.#state.paused);
  readonly #rounds = new Rounds(this.#work, this.#story);
  #looks = 0;
  #attributes: Attributes | undefined;
  #watch: Beside | undefined;
  readonly #member: Member | undefined;

  constructor(identity: Omit<Migration, 'traits'>, group?: Membership) {
    this.#identity = identity;
    this.#state = initialState(now(), planOf(identity.options.cutover));
    if (group) this.#state.group = group.workflowId;
    this.#tuner = new Tuner(identity.options, this.#state);
    this.#counters = new Counters(identity.options);
    this.#inbox = new Inbox(this.#state, {
      options: identity.options,
      now,
      isEnding: () => this.#story.consideredCancelled,
      changed: () => this.#changed(),
      look: (force) => this.#look(force),
      group: group?.workflowId,
      isStandingBy: () => this.#member?.isStandingBy ?? false,
    });
    this.#member =
      group &&
      new Member(group, {
        namespace: identity.options.namespace,
        inbox: this.#inbox,
        state: this.#state,
        followed: () => this.#rounds.followed,
      });
    setHandler(statusQuery, () => liveStatus(identity, this.#state, this.#status()), {
      description: descriptions.status,
    });
    this.#changed();
  }

  async run(): Promise<MigrationStatus> {
    let migration: Migration | undefined;
    try {
      await this.#story.run(async () => {
        const traits = await step('preflight')(this.#identity);
        migration = this.#begin(traits);
        this.#work.start(() => this.#planner().follow());
        this.#watch = this.#followProblem(migration);
        await this.#migrate(migration);
      });
    } catch (error) {
      await CancellationScope.nonCancellable(async () => {
        this.#cancel();
        await this.#work.ended();
        if (this.#member) await this.#settle(this.#member);
        // A cutover that was done when something else ended the story: there is only forward.
        if (migration && this.#state.cutover) await this.#finish(migration);
        else await this.#end(migration, error);
      });
    }
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
    return this.#status();
  }

  /** A cutover of the group works on this collection, and may be done: then there is only forward. */
  async #settle(member: Member): Promise<void> {
    const done = await member.settle();
    if (done) this.#state.cutover ??= done;
  }

  /** The story, from the token to the clean-up. */
  async #migrate(migration: Migration): Promise<void> {
    const { round } = await step('captureToken')(migration);
    this.#work.start(() => this.#tuner.keepLimits(migration));
    const capture = this.#work.start(() => step('capture')(migration));
    const shared = { state: this.#state, inbox: this.#inbox, tuner: this.#tuner, now };
    const member = this.#member;
    const mayCopy = member && (() => member.mayCopy());
    const context = { ...shared, changed: () => this.#changed(), mayCopy };
    const rounds = this.#rounds.run(context, migration, round);
    await Promise.race([capture.done, this.#work.track(rounds)]);
    // The target is open for applications: from here on there is only forward.
    await CancellationScope.nonCancellable(async () => {
      const { stopping } = this.#rounds;
      const stopped = capture.stop();
      if (!stopping) await stopped;
      await this.#finish(migration, stopping && Promise.all([stopping, stopped]));
    });
  }

  /** What the servers say against a cutover now; they may be asked several times at once. */
  async #look(force: readonly string[]): Promise<readonly Blocker[]> {
    const { followed } = this.#rounds;
    if (!followed) return [];
    this.#looks += 1;
    const limits = { detail: this.#looks, overrides: LOOK_LIMITS };
    try {
      return await step('dryRun', limits)(followed, force);
    } catch (error) {
      const message = `the state at the servers could not be read: ${messageOf(error)}`;
      return [{ code: 'unknown', message }];
    }
  }

  #planner(): CutoverPlanner {
    return new CutoverPlanner({
      state: this.#state,
      inbox: this.#inbox,
      untilLagIs: async (bound) => {
        const { followed } = this.#rounds;
        if (followed) await step('untilLagIs')(followed, bound);
      },
    });
  }

  /** @param stopping what has to end before the clean-up; nothing where all has. */
  async #finish(migration: Migration, stopping?: Promise<unknown>): Promise<void> {
    try {
      const catalogue = await step('convertIndexes')(migration);
      if (catalogue) this.#state.catalogue = catalogue;
    } catch (error) {
      // Applications use the target by now: that is no reason to call the migration failed.
      this.#warnAfterwards(messageOf(error));
    }
    try {
      this.#state.lateWrites = await step('countLateWrites', LATE_LIMITS)(migration);
    } catch (error) {
      const why = `writes after the fence could not be looked for: ${messageOf(error)}`;
      this.#warnAfterwards(why);
    }
    if (stopping) await stopping;
    const { keepBuffer } = migration.options;
    const { left } = await step('cleanUp')(migration, { keepBuffer, dropTarget: false });
    this.#state.left = left;
    if (this.#watch) await this.#watch.stop();
    this.#enter('completed');
  }

  #warnAfterwards(what: string): void {
    this.#state.afterwards = [...(this.#state.afterwards ?? []), what];
  }

  /** After a failure, an abort or a cancellation: removes what was written, says what is left. */
  async #end(migration: Migration | undefined, error: unknown): Promise<void> {
    const aborting = this.#state.aborting;
    const isCancelled = aborting !== undefined || isCancellation(error);
    if (migration) {
      const limit = isCancelled
        ? undefined
        : { overrides: { scheduleToCloseTimeout: FAILED_CLEAN_UP } };
      const options = { keepBuffer: false, dropTarget: aborting?.dropTarget ?? false };
      const cleaned = await step('cleanUp', limit)(migration, options).catch(() => undefined);
      const { targetNamespace } = migration.options;
      this.#state.left = cleaned?.left ?? [`what this migration wrote for ${targetNamespace}`];
    } else this.#state.left = [];
    if (!isCancelled) this.#state.failure = messageOf(error);
    this.#enter(isCancelled ? 'aborted' : 'failed');
    await condition(allHandlersFinished);
    if (aborting === undefined) throw bareFailure(error, this.#state.left);
  }

  #begin(traits: Traits): Migration {
    const { documents, bytes, warnings } = traits;
    this.#state.total = { documents, bytes };
    this.#state.warnings = warnings;
    if (this.#identity.options.verify === 'none') this.#state.verification = 'none';
    if (traits.searchable) this.#attributes = new Attributes(this.#identity.options, this.#state);
    return { ...this.#identity, traits };
  }

  #followProblem(migration: Migration): Beside | undefined {
    const attributes = this.#attributes;
    return attributes && this.#work.start(() => attributes.followProblem(migration));
  }

  #enter(phase: MigrationState['phase']): void {
    this.#state.phase = phase;
    this.#changed();
  }

  /** After every change of the state. */
  #changed(): void {
    if (this.#state.paused) this.#work.pause();
    this.#tuner.apply();
    this.#counters.look(this.#state);
    this.#attributes?.showPhase();
    this.#member?.report();
    if (this.#state.restarting) this.#rounds.cancel();
    if (this.#state.aborting) this.#cancel();
    setCurrentDetails(liveDetails(this.#identity, this.#state, renderDetails(this.#status())));
  }

  #cancel(): void {
    this.#story.cancel();
    this.#rounds.cancel();
  }

  #status(): MigrationStatus {
    return buildStatus(this.#state, this.#identity);
  }
}
