import type { ActivityInterceptorsFactory } from '@temporalio/worker';

/** The activities that run on this worker, so that a forced end can say which it did not wait for. */
export class RunningActivities {
  readonly #running = new Map<symbol, string>();

  /** What runs, in words: `replay of migrate:source:shop.orders`. */
  names(): string[] {
    return [...this.#running.values()];
  }

  readonly interceptor: ActivityInterceptorsFactory = ({ info }) => ({
    inbound: {
      execute: async (input, activityItself) => {
        const key = Symbol(info.activityId);
        const workflow = info.workflowExecution?.workflowId;
        this.#running.set(key, `${info.activityId}${workflow ? ` of ${workflow}` : ''}`);
        try {
          return await activityItself(input);
        } finally {
          this.#running.delete(key);
        }
      },
    },
  });
}
