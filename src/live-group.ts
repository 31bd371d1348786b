import type { Client } from '@temporalio/client';
import { uncomparedSeconds } from './blockers.js';
import type { Connections } from './connections.js';
import type { Group } from './group.js';
import { inParallel } from './in-parallel.js';
import { readRuns, type RunSummary } from './mongo/run-summary.js';
import {
  appliedChanges,
  captureRate,
  comparedAsOf,
  isStalled,
  lagSeconds,
  replayRate,
} from './mongo/lag.js';
import { parseNamespace } from './names.js';
import { heartbeatIn, type Pending, problemIn, readPending } from './pending-activities.js';
import type { GroupLive, GroupUnread, MemberLive } from './workflows/group/live.js';
import {
  type GroupState,
  isToCutOver,
  isUnderWay,
  type MemberState,
} from './workflows/group/state.js';
import type { Problem } from './workflows/status.js';
import { TIME_LIMIT_MS, withinLimit } from './within-limit.js';

/** Capture writes every four seconds at least: after this silence Temporal is asked what is wrong (ms). */
const SILENT_MS = 8_000;
/** The same for replay and comparison, which write what the capture has written some seconds before (ms). */
const FOLLOWING_MS = 20_000;
/** Workflows that are asked for, of those that are silent or being copied. */
const MOST_ASKED = 10;

/** What the servers and Temporal say of a group's collections now. */
export async function readGroup(
  connections: Connections,
  client: Client,
  { workflowId, options: { target } }: Group,
  { members, paused }: Pick<GroupState, 'members' | 'paused'>,
): Promise<GroupLive | GroupUnread> {
  const going = members.filter((member) => isUnderWay(member) && member.runId !== undefined);
  const reading = readServers(connections, target, going);
  const own = withinLimit(readPending(client, workflowId));
  const early = await withinLimit(reading, TIME_LIMIT_MS / 2);
  const asked = toAsk(going, 'error' in early ? undefined : early, paused);
  // Temporal knows why activities fail, also and above all when the servers give no answer.
  const [summaries, pending, ofGroup] = await Promise.all([
    withinLimit(reading, TIME_LIMIT_MS / 2),
    withinLimit(readPendingOf(client, asked), TIME_LIMIT_MS / 2),
    own,
  ]);
  const byMember = 'error' in pending ? new Map<string, Pending>() : pending;
  const problem = 'error' in ofGroup ? undefined : problemIn(ofGroup, workflowId);
  if ('error' in summaries) {
    const problems = asked.flatMap((member): [string, Problem][] => {
      const found = problemIn(byMember.get(member.namespace) ?? [], member.workflowId);
      return found ? [[member.namespace, found]] : [];
    });
    return { ...summaries, problems: Object.fromEntries(problems), ...(problem && { problem }) };
  }
  const lives = going.map((member): [string, MemberLive] => [
    member.namespace,
    describe(member, summaries.get(member.runId ?? ''), byMember.get(member.namespace)),
  ]);
  return {
    asOf: new Date().toISOString(),
    members: Object.fromEntries(lives),
    ...(problem && { problem }),
  };
}

type Summaries = ReadonlyMap<string, RunSummary>;

/** What the target knows of these, by run. */
async function readServers(
  connections: Connections,
  target: string,
  going: readonly MemberState[],
): Promise<Summaries> {
  const databases = new Set(going.map((member) => parseNamespace(member.targetNamespace).db));
  const runIds = going.flatMap(({ runId }) => runId ?? []);
  const summaries = await Promise.all(
    [...databases].map((db) => readRuns(connections.get(target).db(db), runIds)),
  );
  return new Map(summaries.flatMap((each) => [...each]));
}

/** Those of which Temporal may know something that the target does not; any, where it says nothing. */
function toAsk(
  going: readonly MemberState[],
  summaries: Summaries | undefined,
  paused: boolean,
): MemberState[] {
  const silent = going.filter((member) => {
    const summary = summaries?.get(member.runId ?? '');
    return isCaptureSilent(summary) || (!paused && isFollowingSilent(member, summary));
  });
  const copying = going.filter(({ phase, turn }) => phase === 'copying' && turn);
  return [...new Set([...silent, ...copying])].slice(0, MOST_ASKED);
}

async function readPendingOf(
  client: Client,
  members: readonly MemberState[],
): Promise<Map<string, Pending>> {
  const answers = await inParallel(members, MOST_ASKED, async ({ namespace, workflowId }) => {
    // One that has just ended must not hide the others.
    const pending = await readPending(client, workflowId).catch(() => undefined);
    return [namespace, pending] as const;
  });
  return new Map(
    answers.flatMap(([namespace, pending]) => (pending ? [[namespace, pending]] : [])),
  );
}

/** Whether the capture says nothing, as it always has to. */
function isCaptureSilent(summary: RunSummary | undefined): boolean {
  return isPast(summary?.control?.capture.at, SILENT_MS);
}

/** The same of replay and comparison, once the target follows. */
function isFollowingSilent(member: MemberState, summary: RunSummary | undefined): boolean {
  if (!isFollowing(member)) return false;
  const { replay, verify } = summary?.control ?? {};
  return (
    isPast(replay?.at, FOLLOWING_MS) || (verify !== undefined && isPast(verify.at, FOLLOWING_MS))
  );
}

function isFollowing(member: MemberState): boolean {
  return isToCutOver(member) && (member.phase === 'replaying' || member.phase === 'ready');
}

function isPast(at: Date | undefined, ms: number): boolean {
  return at === undefined || Date.now() - at.getTime() > ms;
}

function describe(
  member: MemberState,
  summary: RunSummary | undefined,
  pending: Pending | undefined,
): MemberLive {
  const { phase, workflowId } = member;
  const { control, copied = { documents: 0, bytes: 0 } } = summary ?? {};
  const { compared = 0, differences = 0 } = summary ?? {};
  const hours = control?.capture.oplogHours;
  const isStill = appliesNothing(member, summary, pending);
  const problem = problemIn(pending ?? [], workflowId) ?? stillness(summary, isStill);
  return {
    lagSeconds: control && lagSeconds(control),
    stalled: control !== undefined && phase !== 'preflight' && isStalled(control),
    copied,
    eventsPerSecond: captureRate(control),
    changesPerSecond: replayRate(control),
    events: control?.capture.events ?? 0,
    changes: control ? appliedChanges(control) : 0,
    compared,
    differences,
    uncomparedSeconds: uncomparedSeconds(control?.replay.asOf, control && comparedAsOf(control)),
    refused: control?.refused?.count ?? 0,
    shape: control?.shape?.left ?? [],
    ...(isStill && { still: true }),
    ...(hours !== undefined && { oplogHours: hours }),
    ...(heartbeatIn(pending ?? [], 'buildIndexes') !== undefined && { indexing: true }),
    ...(problem && { problem }),
  };
}

/** Whether nothing applies its changes, and nothing fails at it. */
function appliesNothing(
  member: MemberState,
  summary: RunSummary | undefined,
  pending: Pending | undefined,
): boolean {
  const at = summary?.control?.replay.at;
  if (!pending || !isFollowing(member) || at === undefined || !isPast(at, FOLLOWING_MS))
    return false;
  return !pending.some(({ activityType }) => activityType?.name === 'replay');
}

/** Why a collection does not move although nothing fails. */
function stillness(summary: RunSummary | undefined, isStill: boolean): Problem | undefined {
  const fullSince = summary?.control?.capture.fullSince;
  if (fullSince) {
    return {
      what: 'its buffer is full, and the capture waits',
      since: fullSince.toISOString(),
      todo: 'its own status says what makes room',
    };
  }
  if (!isStill) return undefined;
  return {
    what: 'nothing applies its changes: it is paused, for itself or with all',
    todo: 'send resume to it, or to the group',
  };
}
