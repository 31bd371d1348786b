import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { PermanentError } from '../../errors.js';
import type {
  Group,
  GroupBlocker,
  GroupCutoverOutcome,
  GroupCutoverReport,
  MemberRun,
} from '../../group.js';
import { missedBlocker } from '../../blockers.js';
import { inParallel } from '../../in-parallel.js';
import type { CutoverReport, Migration } from '../../migration.js';
import { CollectionCutover } from '../collection-cutover.js';
import type { ActivityDependencies } from '../context.js';
import { type Pulse, withPulse } from '../pulse.js';
import { cutOverTogether, letAllGo } from '../cutover.js';
import { listUnknown } from './watch-collections.js';

/** Workflows that are asked together. */
const PARALLEL = 8;
/** A collection that has just been let go by a cutover before this one needs a moment (ms). */
const SETTLE_MS = 10_000;
const POLL_MS = 500;
/** Reasons that are told. */
const MOST_BLOCKERS = 50;

/** Documents that a report names, of one collection: all reports go in one message, of 2 MB at most. */
const MOST_NAMED = 2;

/** What a cutover of a group is to do. */
export interface GroupCutoverOrder {
  /** Which cutover of the group it is: a collection stands by for one of them. */
  readonly cutover: number;
  readonly members: readonly MemberRun[];
  /** Codes of blockers to overrule. */
  readonly force: readonly string[];
  /** ISO 8601; it may not begin later. */
  readonly notAfter?: string;
  /** All namespaces that the group knows, where others are to be taken up: one that has appeared refuses the cutover. */
  readonly known?: readonly string[];
}

/**
 * Cuts over all of these collections at one fence, or none of them. Each stands by from the moment in which
 * it has said that nothing speaks against it; the workflow tells them how it has ended. Safe to run again: a
 * new attempt takes a new fence.
 */
export async function cutoverTogether(
  deps: ActivityDependencies,
  group: Group,
  order: GroupCutoverOrder,
): Promise<GroupCutoverOutcome> {
  const status = { doing: 'asking each collection', collections: order.members.length };
  return withPulse(
    () => ({ ...status }),
    async (pulse) => {
      const isLate = order.notAfter !== undefined && Date.now() > Date.parse(order.notAfter);
      const isFirst = Context.current().info.attempt === 1;
      if (isLate && isFirst) {
        // It may be the first only by its number: attempts are counted anew when the activity or the workflow is reset.
        const held = order.members.map(({ namespace }) => namespace);
        return { refused: [missedBlocker(order.notAfter)], held };
      }
      const { migrations, refused } = await join(deps, order, pulse);
      const { force } = order;
      const cutovers = migrations.map(
        (migration) => new CollectionCutover({ deps, migration, force, pulse }),
      );
      try {
        // Only the answer of an attempt that had come to its end was lost; applications may be back at the source else.
        const late =
          isLate && !(await areAllThrough(cutovers)) ? [missedBlocker(order.notAfter)] : [];
        if (refused.length > 0 || late.length > 0) {
          await letAllGo(cutovers);
          // Which are not among them.
          const silent = refused.filter(isSilent).map(({ namespace }) => namespace);
          return {
            refused: some([...refused, ...late]),
            ...(silent.length > 0 && { held: silent }),
          };
        }
        const lookAround = async () => findAppeared(deps, group, order, pulse);
        const outcome = await cutOverTogether(cutovers, { pulse, status, lookAround });
        if ('refused' in outcome) return { refused: some(outcome.refused) };
        return { done: summarise(outcome.done), reports: outcome.done.map(inShort) };
      } catch (error) {
        // What no retry mends for one of them must not end all the others.
        if (!(error instanceof PermanentError)) throw error;
        await letAllGo(cutovers);
        return { refused: [{ code: 'failed', message: error.message }] };
      } finally {
        await Promise.all(cutovers.map((each) => each[Symbol.asyncDispose]()));
      }
    },
  );
}

type RefusedMember = GroupBlocker & Pick<MemberRun, 'namespace'>;

function isSilent({ code }: GroupBlocker): boolean {
  return code === 'unknown';
}

/** What speaks against a group's cutover now, collection by collection. Writes nothing and holds nothing. */
export async function dryRunTogether(
  deps: Pick<ActivityDependencies, 'members'>,
  { members, force }: Pick<GroupCutoverOrder, 'members' | 'force'>,
): Promise<readonly GroupBlocker[]> {
  return withPulse(
    () => ({ doing: 'asking each collection' }),
    async ({ touch }) => {
      const found = await inParallel(members, PARALLEL, async (member) => {
        touch();
        const blockers = await deps.members.dryRun(member, force);
        return blockers.map((blocker) => ({ ...blocker, namespace: member.namespace }));
      });
      return some(found.flat());
    },
  );
}

async function areAllThrough(cutovers: readonly CollectionCutover[]): Promise<boolean> {
  const controls = await inParallel(cutovers, PARALLEL, ({ opened }) => opened.control.find());
  return controls.every((control) => control?.holder === 'cutover' && control.fence);
}

async function join(
  { members: calls }: Pick<ActivityDependencies, 'members'>,
  { members, ...request }: GroupCutoverOrder,
  { touch, signal }: Pulse,
): Promise<{ migrations: readonly Migration[]; refused: readonly RefusedMember[] }> {
  const answers = await inParallel(members, PARALLEL, async (member) => {
    for (const deadline = Date.now() + SETTLE_MS; ;) {
      touch();
      signal.throwIfAborted();
      const answer = await calls.join(member, request);
      const isSettling =
        'refused' in answer && answer.refused.every(({ code }) => code === 'cuttingOver');
      if (!isSettling || Date.now() > deadline) return { member, answer };
      await sleep(POLL_MS, undefined, { signal });
    }
  });
  return {
    migrations: answers.flatMap(({ answer }) => ('refused' in answer ? [] : [answer])),
    refused: answers.flatMap(({ member: { namespace }, answer }) =>
      'refused' in answer ? answer.refused.map((blocker) => ({ ...blocker, namespace })) : [],
    ),
  };
}

/** Collections that nobody has taken up by now: after the fence, so that none can be missed. */
async function findAppeared(
  deps: ActivityDependencies,
  group: Group,
  { known }: GroupCutoverOrder,
  { signal }: Pulse,
): Promise<GroupBlocker[]> {
  if (!known) return [];
  const appeared = await listUnknown(deps, group, known, signal);
  const blocker = { code: 'appeared', message: 'has appeared at the source and is being taken up' };
  return appeared.map((namespace) => ({ ...blocker, namespace }));
}

function summarise(reports: readonly CutoverReport[]): GroupCutoverReport {
  const [first] = reports;
  if (!first) throw new Error('a cutover of no collections has no report');
  const { fence, fencedAt, openedAt, downtimeMs } = first;
  return { fence, fencedAt, openedAt, downtimeMs, collections: reports.length };
}

/** A report that is one of many: with the counts of what was overruled, and fewer of its documents. */
function inShort({ differences, refused, ...report }: CutoverReport): CutoverReport {
  const short = <T extends { readonly first: readonly unknown[] }>(all: T): T => ({
    ...all,
    first: all.first.slice(0, MOST_NAMED),
  });
  return {
    ...report,
    ...(differences && { differences: short(differences) }),
    ...(refused && { refused: short(refused) }),
  };
}

function some(blockers: readonly GroupBlocker[]): readonly GroupBlocker[] {
  if (blockers.length <= MOST_BLOCKERS) return blockers;
  const more = blockers.length - MOST_BLOCKERS;
  const message = `${more} more reasons, of other collections`;
  return [...blockers.slice(0, MOST_BLOCKERS), { code: 'more', message }];
}
