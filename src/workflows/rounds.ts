import { CancellationScope } from '@temporalio/workflow';
import type { Migration } from '../migration.js';
import { forgetCopy } from './restart.js';
import { Round, type RoundContext } from './round.js';
import { step } from './steps.js';
import { Work } from './work.js';

/** The copies of a migration, one after another, each until it is cut over to or is to begin anew. */
export class Rounds {
  readonly #work: Work;
  readonly #parent: CancellationScope | undefined;
  #scope: CancellationScope | undefined;
  #round: Round | undefined;

  /**
   * @param parent scope beside which rounds run, not within it: what is deeper is cancelled later, and
   * the order is in the history of running workflows.
   */
  constructor(work: Work, { parent }: CancellationScope) {
    this.#work = work;
    this.#parent = parent;
  }

  /** What a cutover is given, once the target follows the source. */
  get followed(): Migration | undefined {
    return this.#round?.followed;
  }

  /** What a done cutover has left to end; nothing where all of it has ended. */
  get stopping(): Promise<unknown> | undefined {
    return this.#round?.stopping;
  }

  /** Ends what belongs to the present copy. */
  cancel(): void {
    this.#scope?.cancel();
  }

  /**
   * Returns when a cutover is done.
   * @param from the first round: that which the target is at.
   */
  async run(context: RoundContext, migration: Migration, from = 0): Promise<void> {
    const { state } = context;
    for (let round = from; ; round++) {
      if (round > 0) {
        state.round = round;
        round = await step('discardCopy')({ ...migration, round });
        state.round = round;
      }
      delete state.restarting;
      delete state.lostDump;
      const copied = round === 0 ? migration : { ...migration, round };
      if (await this.#follow(context, copied)) return;
    }
  }

  /** @returns whether it was cut over to; else it is to begin anew, and all that it had under way has ended. */
  async #follow(context: RoundContext, migration: Migration): Promise<boolean> {
    const { state } = context;
    const outer = CancellationScope.current();
    const work = new Work(() => state.paused, this.#work);
    const scope = new CancellationScope({
      cancellable: true,
      ...(this.#parent && { parent: this.#parent }),
    });
    if (outer.consideredCancelled) scope.cancel();
    const round = new Round(context, migration, work);
    this.#scope = scope;
    this.#round = round;
    try {
      await scope.run(() => round.run());
      return true;
    } catch (error) {
      // However it ended: a restart is what was asked for. The end of the migration comes before it.
      if (!state.restarting || outer.consideredCancelled) throw error;
    }
    await work.ended();
    this.#round = undefined;
    // Again: what was under way may have written since.
    forgetCopy(state, migration.options);
    context.changed();
    return false;
  }
}
