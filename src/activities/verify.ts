import { setTimeout as sleep } from 'node:timers/promises';
import type { Migration, VerificationReport } from '../migration.js';
import type { Side } from '../mongo/compare.js';
import type { Pass, VerifyState } from '../mongo/control-document.js';
import { lagSeconds } from '../mongo/lag.js';
import { summariseDifferences } from '../mongo/verification.js';
import { FOLLOW_MS, Verifier } from '../mongo/verifier.js';
import { type ActivityDependencies, open, type Opened } from './context.js';
import { News } from './news.js';
import { untilTick } from '../tick.js';
import { type Pulse, withPulse } from './pulse.js';
import { verifyLimits } from './live-limits.js';

const POLL_MS = 250;
/** Between two looks at differences that are known. */
const LOOK_AGAIN_MS = 5_000;
/** The same where none is known: a cutover that was refused may have found some. */
const LOOK_AT_ALL_MS = 15_000;
/**
 * Longest rest between two looks for changed documents where none changes, in ms: many such may share a worker. Where
 * the capture is on the same one it says when there are changes.
 */
const IDLE_FOLLOW_MS = { unheard: 5_000, heard: 15_000 } as const;
/**
 * Rest between two comparisons of everything: so many times what the last one took, and at least so
 * long, in ms. The least one doubles each time, because many idle migrations may share a worker.
 */
const REST = { times: 10, leastMs: 10_000, mostLeastMs: 60_000 };

/** Heartbeat details of verification. */
interface VerifyHeartbeat {
  doing: string;
  documents: number;
  bytes: number;
  changed: number;
}

/** Waits until the lag is one that a cutover is allowed with. */
export async function catchUp(deps: ActivityDependencies, migration: Migration): Promise<void> {
  const { control } = open(deps, migration);
  const status: { doing: string; lagSeconds?: number | undefined } = {
    doing: 'waiting for the replay to catch up',
  };
  await withPulse(
    () => ({ ...status }),
    async ({ signal, touch }) => {
      for (;;) {
        status.lagSeconds = lagSeconds(await control.read());
        if ((status.lagSeconds ?? Infinity) <= migration.options.maxLagSeconds) break;
        touch();
        await sleep(POLL_MS, undefined, { signal });
      }
      if (migration.options.verify === 'none') await control.record({ caughtUp: true });
    },
  );
}

/**
 * Compares every document of both sides byte for byte, partition by partition, while replay runs,
 * and every document again that changes after that has begun. Safe to run again: compared partitions
 * and changes are remembered.
 */
export async function verify(
  deps: ActivityDependencies,
  migration: Migration,
): Promise<VerificationReport> {
  const opened = open(deps, migration);
  const status: VerifyHeartbeat = {
    doing: 'comparing documents',
    documents: 0,
    bytes: 0,
    changed: 0,
  };
  return withPulse(
    () => ({ ...status }),
    async (pulse) => {
      const { verifier, keep, state, startedAt } = await takeUp(opened, migration, pulse);
      const done = await opened.verification.partitions();
      // An attempt of an older worker has not said when it had begun.
      const first = done.size > 0 ? startedAt : new Date();
      const begunAt = state.pass?.begunAt ?? state.wholeAt ?? first;
      await keep({ pass: { begunAt, partition: done.size, spentMs: 0 } });
      const total = await opened.plan.count();
      const before = { documents: 0, bytes: 0 };
      for (let index = 0; index < total; index++) {
        const verified =
          done.get(index) ??
          (await verifier.comparePartition(index, ({ documents, bytes }) => {
            status.documents = before.documents + documents;
            status.bytes = before.bytes + bytes;
          }));
        before.documents += verified.documents;
        before.bytes += verified.bytes;
        Object.assign(status, before);
        status.changed += await verifier.follow();
      }
      status.doing = 'looking again at what differed';
      await verifier.settle();
      await verifier.lookAgain();
      await keep({ pass: null, wholeAt: begunAt });
      return { ...before, ...summariseDifferences(await opened.verification.known()) };
    },
  );
}

/**
 * Until it is cancelled: compares the documents that change, looks again at known differences, and
 * compares everything again from time to time, so that what somebody else writes to the target is
 * found too. Safe to run again: what was compared and found is remembered.
 */
export async function reverify(deps: ActivityDependencies, migration: Migration): Promise<void> {
  const opened = open(deps, migration);
  const status = { doing: 'comparing documents that change', changed: 0, documents: 0 };
  await withPulse(
    () => ({ ...status }),
    async (pulse) => {
      const { verifier, keep, state } = await takeUp(opened, migration, pulse);
      await opened.control.record({ caughtUp: true });
      const total = await opened.plan.count();
      let { leastMs } = REST;
      let pass = state.pass ?? undefined;
      let passAt = pass ? 0 : (state.nextAt?.getTime() ?? Date.now() + leastMs);
      let lookedAt = Date.now() + LOOK_AGAIN_MS - LOOK_AT_ALL_MS;
      let restMs = FOLLOW_MS;
      using news = new News(deps.wakeups.listen(migration.runId));
      for (;;) {
        pulse.touch();
        const changed = await verifier.follow();
        status.changed += changed;
        const isIdle = changed === 0 && !verifier.isSettling;
        restMs = isIdle ? Math.min(IDLE_FOLLOW_MS.unheard, restMs * 2) : FOLLOW_MS;
        const lookMs = opened.verification.hasOpen ? LOOK_AGAIN_MS : LOOK_AT_ALL_MS;
        if (Date.now() - lookedAt >= lookMs) {
          await verifier.lookAgain();
          lookedAt = Date.now();
        }
        const untilPassMs = passAt - Date.now();
        if (untilPassMs > 0) {
          const mayWait = isIdle && verifier.hasFollowedAll && news.isHeard;
          const untilLookMs = lookedAt + lookMs - Date.now();
          const mostMs = mayWait
            ? untilTick(Math.min(IDLE_FOLLOW_MS.heard, untilPassMs, untilLookMs))
            : restMs;
          await news.wait(mostMs, pulse.signal);
          continue;
        }
        const begun = new Date();
        const { begunAt, partition, spentMs }: Pass = pass ?? {
          begunAt: begun,
          partition: 0,
          spentMs: 0,
        };
        const { documents } = await verifier.comparePartition(partition, () => undefined);
        const next = { begunAt, partition: partition + 1, spentMs: spentMs + Date.now() - +begun };
        status.documents += documents;
        pass = next.partition < total ? next : undefined;
        if (pass) {
          await keep({ pass });
          continue;
        }
        leastMs = Math.min(REST.mostLeastMs, leastMs * 2);
        passAt = Date.now() + Math.max(leastMs, REST.times * next.spentMs);
        await keep({ pass: null, wholeAt: begunAt, nextAt: new Date(passAt) });
      }
    },
  );
}

interface Begun {
  readonly verifier: Verifier;
  /** As attempts before this one have left it. */
  readonly state: Partial<VerifyState>;
  readonly startedAt: Date;
  /** Keeps how far it is. @throws FencedError when another attempt has taken over */
  readonly keep: (fields: Partial<VerifyState>) => Promise<unknown>;
}

async function takeUp(
  opened: Opened,
  { options }: Migration,
  { signal, touch }: Pulse,
): Promise<Begun> {
  const { control, plan, verification, metrics } = opened;
  const document = await control.beginVerification();
  const epoch = document.verify?.epoch ?? 0;
  const verifier = new Verifier({
    source: sourceOf(opened),
    target: targetOf(opened),
    control,
    plan,
    verification,
    epoch,
    signal,
    touch,
    onCompared: (step) => metrics?.compared(step),
    limits: verifyLimits(opened, options, document),
  });
  await verifier.takeOver();
  return {
    verifier,
    state: document.verify ?? {},
    startedAt: document.startedAt,
    keep: (fields) => control.advance('verify', epoch, fields),
  };
}

/** The source's side of a comparison. */
export function sourceOf({
  source,
  sourceCollection,
  clustered,
}: Pick<Opened, 'source' | 'sourceCollection' | 'clustered'>): Side {
  return { db: source, collection: sourceCollection, clustered };
}

/** The target's side of a comparison. */
export function targetOf({
  target,
  targetCollection,
  clustered,
}: Pick<Opened, 'target' | 'targetCollection' | 'clustered'>): Side {
  return { db: target, collection: targetCollection, clustered };
}
