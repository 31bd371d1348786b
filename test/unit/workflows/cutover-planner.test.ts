import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LagCutover, TimedCutover } from '../../../src/cutover-plan.js';
import type { Blocker } from '../../../src/migration.js';
import { CutoverPlanner } from '../../../src/workflows/cutover-planner.js';
import type { CutoverRequest, Inbox } from '../../../src/workflows/inbox.js';
import { initialState, type MigrationState } from '../../../src/workflows/status.js';
import { takenAs } from '../../helpers/taken-as.js';

// Waits of hours take no time here: a wait with a limit moves the clock by it.
vi.mock('@temporalio/workflow', () => ({
  CancellationScope: class {
    static current = () => ({ consideredCancelled: false });
    #cancel = () => undefined as unknown;
    readonly #cancelled = new Promise<never>((_resolve, reject) => {
      this.#cancel = () => reject(new Error('cancelled'));
    });
    run = <T>(work: () => Promise<T>) => Promise.race([work(), this.#cancelled]);
    cancel = () => this.#cancel();
  },
  isCancellation: () => false,
  patched: () => true,
  workflowInfo: () => history,
  condition: async (isMet: () => boolean, limit?: number | string) => {
    if (limit === undefined) {
      await vi.waitUntil(isMet, { timeout: 10_000, interval: 1 });
      return undefined;
    }
    const ms = typeof limit === 'number' ? limit : Number.parseInt(limit, 10) * 1000;
    now += isMet() ? 0 : ms;
    return isMet();
  },
}));

const START = Date.parse('2026-06-01T00:00:00Z');
const at = '2026-06-01T02:00:00.000Z';
const plan: TimedCutover = { kind: 'at', at, force: ['lag'] };
const paused: Blocker = { code: 'paused', message: 'the migration is paused' };

let now = START;
let history = { historyLength: 100, historySize: 1_000 };
let state: MigrationState;
/** Seconds after the planned time, and the codes of the refusal. */
let refusals: [number, string[]][];
let requests: CutoverRequest[];

beforeEach(() => {
  now = START;
  history = { historyLength: 100, historySize: 1_000 };
  vi.spyOn(Date, 'now').mockImplementation(() => now);
  state = initialState('2026-06-01T00:00:00.000Z', plan);
  refusals = [];
  requests = [];
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** Follows the plan until it is given up. */
async function untilGivenUp(
  blockers: readonly Blocker[],
  answer?: (request: CutoverRequest) => void,
): Promise<void> {
  const inbox = {
    get request(): CutoverRequest | undefined {
      return undefined;
    },
    set request(asked: CutoverRequest | undefined) {
      if (!asked) return;
      requests.push(asked);
      answer?.(asked);
    },
    blockers: (force: readonly string[]) => {
      expect(force).toEqual(plan.force);
      return [...blockers];
    },
    refuse: (given: readonly Blocker[]) => {
      refusals.push([(now - Date.parse(at)) / 1000, given.map(({ code }) => code)]);
    },
  };
  const planner = new CutoverPlanner({
    state,
    inbox: takenAs<Inbox>(inbox),
    untilLagIs: async () => undefined,
  });
  void planner.follow().catch(() => undefined);
  await vi.waitUntil(() => state.plan === undefined, { timeout: 10_000, interval: 1 });
}

describe('a cutover at a time', () => {
  it('is tried for five minutes while something speaks against it, and then given up', async () => {
    await untilGivenUp([paused]);
    expect(refusals).toEqual([
      [0, ['paused']],
      [5, ['paused']],
      [15, ['paused']],
      [35, ['paused']],
      [75, ['paused']],
      [155, ['paused']],
      [315, ['paused', 'missed']],
    ]);
    expect(requests).toEqual([]);
  });

  it('asks the servers each time, with the latest moment at which it may begin', async () => {
    await untilGivenUp([], (request) => {
      request.outcome = { refused: [{ code: 'lag', message: 'far behind' }] };
    });
    expect(requests).toHaveLength(6);
    for (const { force, notAfter } of requests) {
      expect({ force, notAfter }).toEqual({
        force: ['lag'],
        notAfter: '2026-06-01T02:05:00.000Z',
      });
    }
    expect(refusals).toEqual([[315, ['lag', 'missed']]]);
  });

  it('is not tried at all when nobody was there in time', async () => {
    now = Date.parse(at) + 6 * 60_000;
    await untilGivenUp([]);
    expect(refusals).toEqual([[360, ['missed']]]);
    expect(requests).toEqual([]);
  });
});

describe('a cutover at a small lag', () => {
  const lag: LagCutover = { kind: 'lag', whenLagUnder: 2, forSeconds: 30, force: [] };

  /** Seconds between two tries. */
  async function pausesOf(tries: number) {
    const times: number[] = [];
    state = { ...initialState('2026-06-01T00:00:00.000Z', lag), phase: 'ready' };
    const inbox = {
      request: undefined,
      blockers: () => [paused],
      refuse: (given: readonly Blocker[]) => {
        refusals.push([0, given.map(({ code }) => code)]);
        times.push(now);
        if (times.length === tries) delete state.plan;
      },
    };
    const untilLagIs = async () => undefined;
    const planner = new CutoverPlanner({ state, inbox, untilLagIs });
    void planner.follow().catch(() => undefined);
    await vi.waitUntil(() => times.length === tries, { timeout: 10_000, interval: 1 });
    return times.slice(1).map((time, index) => (time - (times[index] ?? 0)) / 1000);
  }

  it('is tried again after an hour at most', async () => {
    const pauses = await pausesOf(13);
    expect(pauses.slice(0, 3)).toEqual([5, 10, 20]);
    expect(pauses.slice(-4)).toEqual([1_280, 2_560, 3_600, 3_600]);
  });

  it('is tried no more once the history is nearly full', async () => {
    history = { historyLength: 40_001, historySize: 1_000 };
    expect(await pausesOf(2)).toEqual([0]);
    expect(state.plan).toBeUndefined();
    expect(refusals.at(-1)?.[1]).toEqual(['paused', 'missed']);
  });
});
