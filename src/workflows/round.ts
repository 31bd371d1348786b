import { CancellationScope, condition, patched } from '@temporalio/workflow';
import type { Migration } from '../migration.js';
import { copyCollection, type DumpLoss } from './copy-collection.js';
import { giveUpIfFull, PAUSE_SECONDS } from './cutover-planner.js';
import type { Inbox } from './inbox.js';
import type { MigrationState } from './status.js';
import { step } from './steps.js';
import type { Tuner } from './tuner.js';
import type { Work } from './work.js';

/** What a round shares with the rest of its migration. */
export interface RoundContext {
  readonly state: MigrationState;
  readonly inbox: Inbox;
  readonly tuner: Tuner;
  readonly now: () => string;
  /** Called after each change of the state. */
  readonly changed: () => void;
  /** Returns when its group lets it copy; missing where it belongs to none. */
  readonly mayCopy?: (() => Promise<void>) | undefined;
}

/** One copy and what follows it, up to the cutover, while capture runs beside it. */
export class Round {
  readonly #context: RoundContext;
  readonly #state: MigrationState;
  readonly #migration: Migration;
  readonly #work: Work;
  #caughtUp = false;
  /** What the cutover is given, once the target follows the source. */
  followed: Migration | undefined;
  /** Resolves when what ran beside the cutover has ended, once that is done and need not be waited for. */
  stopping: Promise<unknown> | undefined;

  constructor(context: RoundContext, migration: Migration, work: Work) {
    this.#context = context;
    this.#state = context.state;
    this.#migration = migration;
    this.#work = work;
  }

  /** Returns when a cutover is done. */
  async run(): Promise<void> {
    const migration = this.#migration;
    const { tuner } = this.#context;
    this.#enter('copying');
    const { mayCopy } = this.#context;
    // Without a group not even an empty await: it would shift the commands of running workflows.
    if (mayCopy) await mayCopy();
    const planned = await this.#work.untilNotPaused(() => step('planCopy')(tuner.tuned(migration)));
    const { partitions, warnings } =
      typeof planned === 'number' ? { partitions: planned, warnings: [] } : planned;
    this.#state.warnings = [...new Set([...this.#state.warnings, ...warnings])];
    this.#state.copy = 'running';
    this.#state.copyingSince = this.#context.now();
    await copyCollection(migration, partitions, {
      lanes: tuner.lanes,
      tuned: () => tuner.tuned(migration),
      pausable: (run) => this.#work.untilNotPaused(run),
      onLost: (partition, loss) => this.#noteLoss(partition, loss),
      restoreAllowed: () => this.#restoreAllowed(),
    });
    this.#state.copy = 'indexes';
    await this.#work.untilNotPaused(() => step('buildIndexes')(migration));
    await this.#work.untilNotPaused(() => step('renameStaging')(migration));
    this.#state.copy = 'done';
    this.#enter('replaying');
    const replay = this.#work.start(() =>
      this.#work.untilNotPaused(() => step('replay')(migration)),
    );
    const followsShape = patched('followShape');
    const shape = followsShape
      ? this.#work.start(() => this.#work.untilNotPaused(() => step('followShape')(migration)))
      : undefined;
    this.followed = { ...migration, followsShape };
    const verification = this.#work.start(() => this.#verify());
    await Promise.race([
      replay.done,
      ...(shape ? [shape.done] : []),
      onlyFailure(verification.done),
      this.#cutOver(this.followed),
    ]);
    await CancellationScope.nonCancellable(async () => {
      const stopAll = () => Promise.all([verification.stop(), shape?.stop(), replay.stop()]);
      if (patched('finishBeside')) {
        this.stopping = stopAll();
        return;
      }
      if (patched('stopTogether')) {
        await stopAll();
        return;
      }
      await verification.stop();
      // Even an empty await would shift the commands of workflows that have no such step.
      if (shape) await shape.stop();
      await replay.stop();
    });
  }

  #noteLoss(partition: number, loss: DumpLoss | undefined): void {
    if (loss) this.#state.lostDump = { ...loss, partition, at: this.#context.now() };
    else if (this.#state.lostDump?.partition === partition) delete this.#state.lostDump;
    else return;
    this.#context.changed();
  }

  async #restoreAllowed(): Promise<void> {
    const { inbox } = this.#context;
    if (this.#migration.options.restore === 'auto' || inbox.restoreRequested) return;
    this.#enter('waiting');
    await condition(() => inbox.restoreRequested);
    this.#enter('copying');
    const { mayCopy, now } = this.#context;
    if (mayCopy) await mayCopy();
    this.#state.copyingSince = now();
  }

  async #verify(): Promise<void> {
    const migration = this.#migration;
    const isFull = migration.options.verify === 'full';
    await this.#work.untilNotPaused(() => step('catchUp')(migration));
    if (isFull) {
      this.#state.verification = 'running';
      this.#context.changed();
      this.#state.report = await this.#work.untilNotPaused(() => step('verify')(migration));
      this.#state.verification = 'done';
      this.#state.verifiedAt = this.#context.now();
    }
    this.#caughtUp = true;
    if (this.#state.phase === 'replaying') this.#enter('ready');
    if (isFull && patched('reverify')) {
      await this.#work.untilNotPaused(() => step('reverify')(migration));
    }
  }

  /** Returns when a cutover is done; refused ones change nothing. */
  async #cutOver(migration: Migration): Promise<void> {
    const { inbox } = this.#context;
    let pauseSeconds = PAUSE_SECONDS.first;
    for (;;) {
      const isDue = () =>
        this.#state.plan?.kind === 'auto' && this.#state.phase === 'ready' && !this.#state.paused;
      await condition(() => inbox.request !== undefined || isDue());
      const request = inbox.request;
      this.#enter('cuttingOver');
      const { force = [], notAfter, ofGroup } = request ?? {};
      const latest = notAfter === undefined ? [] : ([notAfter] as const);
      const perform = () => step('cutover')(migration, force, ...latest);
      // How it ends decides how the migration does; a group's own is waited for elsewhere, with a limit.
      const outcome = await (ofGroup?.() ??
        (patched('awaitCutover') ? this.#work.track(perform()) : perform()));
      // Before anybody may ask for the next cutover, whose hold it would take away.
      if ('mayBeHeld' in outcome && patched('letGo')) {
        await this.#work.track(step('letGo')(migration));
      }
      if (request) request.outcome = outcome;
      inbox.request = undefined;
      if ('done' in outcome) {
        this.#state.cutover = outcome.done;
        this.#context.changed();
        return;
      }
      inbox.refuse(outcome.refused);
      this.#enter(this.#caughtUp ? 'ready' : 'replaying');
      if (request) continue;
      if (giveUpIfFull(this.#state, inbox, outcome.refused)) continue;
      await condition(() => inbox.request !== undefined, `${pauseSeconds}s`);
      pauseSeconds = Math.min(PAUSE_SECONDS.longest, pauseSeconds * 2);
    }
  }

  #enter(phase: MigrationState['phase']): void {
    this.#state.phase = phase;
    this.#context.changed();
  }
}

/** Rejects when the work fails, and never resolves. */
async function onlyFailure(work: Promise<unknown>): Promise<never> {
  await work;
  return new Promise<never>(() => undefined);
}
