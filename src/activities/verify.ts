import { setTimeout as sleep } from 'node:timers/promises';
import type { Timestamp } from 'mongodb';
import type { Migration, VerificationReport } from '../migration.js';
import { compareDocuments, compareIds, type DocumentDifference } from '../mongo/compare.js';
import { lagSeconds } from '../mongo/lag.js';
import { readOperationTime } from '../mongo/operation-time.js';
import { partitionFilter } from '../mongo/partitions.js';
import { summariseDifferences, Verification } from '../mongo/verification.js';
import { type ActivityDependencies, open, type Opened, type Pulse, withPulse } from './context.js';

const POLL_MS = 250;
/** Rounds of looking again at what differed; what is left then changes all the time. */
const SETTLE_ROUNDS = 10;

/** Heartbeat details of verification. */
interface VerifyStatus {
  doing: string;
  documents: number;
  bytes: number;
  open: number;
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
        if ((status.lagSeconds ?? Infinity) <= migration.options.maxLagSeconds) return;
        touch();
        await sleep(POLL_MS, undefined, { signal });
      }
    },
  );
}

/**
 * Compares every document of both sides byte for byte, partition by partition, while replay runs.
 * What differs is looked at again once replay has passed the moment of reading; only what still
 * differs then, and did not change at the source meanwhile, is a difference. Safe to run again:
 * compared partitions are remembered.
 */
export async function verify(
  deps: ActivityDependencies,
  migration: Migration,
): Promise<VerificationReport> {
  const opened = open(deps, migration);
  const verification = new Verification(opened.target, opened.targetCollection, migration.runId);
  const status: VerifyStatus = { doing: 'comparing documents', documents: 0, bytes: 0, open: 0 };
  return withPulse(
    () => ({ ...status }),
    async (pulse) => {
      const done = await verification.partitions();
      const total = await opened.plan.count();
      const before = { documents: 0, bytes: 0 };
      for (let index = 0; index < total; index++) {
        const verified =
          done.get(index) ??
          (await verifyPartition(opened, verification, index, before, status, pulse));
        before.documents += verified.documents;
        before.bytes += verified.bytes;
        Object.assign(status, before);
      }
      status.doing = 'looking again at what differed';
      const { confirmed, unsettled } = await settle(opened, verification, status, pulse);
      return {
        ...before,
        ...summariseDifferences(confirmed),
        unsettled: unsettled.length,
      };
    },
  );
}

async function verifyPartition(
  opened: Opened,
  verification: Verification,
  index: number,
  before: { documents: number; bytes: number },
  status: VerifyStatus,
  { signal, touch }: Pulse,
): Promise<{ documents: number; bytes: number }> {
  const record = await opened.plan.get(index);
  const { compared, differences } = await compareDocuments(
    sourceOf(opened),
    targetOf(opened),
    partitionFilter(record),
    signal,
    ({ documents, bytes }) => {
      touch();
      status.documents = before.documents + documents;
      status.bytes = before.bytes + bytes;
    },
  );
  status.open += differences.length;
  await verification.record(index, compared, differences);
  return compared;
}

/** Looks again at open differences until they are gone, confirmed, or known to change all the time. */
async function settle(
  opened: Opened,
  verification: Verification,
  status: VerifyStatus,
  pulse: Pulse,
): Promise<{ confirmed: DocumentDifference[]; unsettled: DocumentDifference[] }> {
  const confirmed: DocumentDifference[] = [];
  const unsettled: DocumentDifference[] = [];
  for (const [partition, differences] of await verification.open()) {
    let left: readonly DocumentDifference[] = differences;
    let standing: readonly DocumentDifference[] = [];
    for (let round = 0; round < SETTLE_ROUNDS && left.length > standing.length; round++) {
      // A difference stands when it is the same before and after replay has passed what was read.
      const first = await compareOpen(opened, left, pulse);
      if (first.length > 0)
        await untilApplied(opened, await readOperationTime(opened.source), pulse);
      left = await compareOpen(opened, first, pulse);
      standing = left.filter((difference) => isUnchanged(difference, first));
      status.open = left.length;
    }
    await verification.replaceOpen(partition, left);
    confirmed.push(...standing);
    unsettled.push(...left.filter((difference) => !standing.includes(difference)));
  }
  return { confirmed, unsettled };
}

/** Compares the documents of earlier differences again. */
export async function compareOpen(
  opened: Opened,
  differences: readonly DocumentDifference[],
  { signal }: Pick<Pulse, 'signal'>,
): Promise<readonly DocumentDifference[]> {
  const ids = differences.map(({ id }) => id);
  return ids.length === 0 ? [] : compareIds(sourceOf(opened), targetOf(opened), ids, signal);
}

function isUnchanged(
  { id, kind, field, sourceHash }: DocumentDifference,
  before: readonly DocumentDifference[],
): boolean {
  const earlier = before.find((other) => other.id.key === id.key);
  return earlier?.kind === kind && earlier.field === field && earlier.sourceHash === sourceHash;
}

/** Waits until everything up to a cluster time of the source is applied at the target. */
async function untilApplied(
  { control }: Opened,
  time: Timestamp,
  { signal, touch }: Pulse,
): Promise<void> {
  for (;;) {
    const { replay } = await control.read();
    if (replay.time?.greaterThanOrEqual(time)) return;
    touch();
    await sleep(POLL_MS, undefined, { signal });
  }
}

function sourceOf({ source, sourceCollection }: Opened) {
  return { db: source, collection: sourceCollection };
}

function targetOf({ target, targetCollection }: Opened) {
  return { db: target, collection: targetCollection };
}
