import type { Client } from '@temporalio/client';
import { uncomparedSeconds } from './blockers.js';
import type { Connections } from './connections.js';
import type { Group } from './group.js';
import { inParallel } from './in-parallel.js';
import { readRuns, type RunSummary } from './mongo/run-summary.js';
import { currentRate, isStalled, lagSeconds } from './mongo/lag.js';
import { parseNamespace } from './names.js';
import { heartbeatIn, type Pending, problemIn, readPending } from './pending-activities.js';
import type { GroupLive, MemberLive } from './workflows/group/live.js';
import { type GroupState, isUnderWay, type MemberState } from './workflows/group/state.js';

/** Capture writes every two seconds: after this silence Temporal is asked what is wrong (ms). */
const SILENT_MS = 6_000;
/** Workflows that are asked for, of those that are silent or being copied. */
const MOST_ASKED = 10;

/** What the servers and Temporal say of a group's collections now. */
export async function readGroup(
  connections: Connections,
  client: Client,
  { workflowId, options: { target } }: Group,
  { members }: GroupState,
): Promise<GroupLive> {
  const going = members.filter((member) => isUnderWay(member) && member.runId !== undefined);
  const databases = new Set(going.map((member) => parseNamespace(member.targetNamespace).db));
  const runIds = going.flatMap(({ runId }) => runId ?? []);
  const [summaries, own] = await Promise.all([
    Promise.all([...databases].map((db) => readRuns(connections.get(target).db(db), runIds))),
    readPending(client, workflowId),
  ]);
  const byRun = new Map(summaries.flatMap((each) => [...each]));
  const silent = going.filter(({ runId = '' }) => isSilent(byRun.get(runId)));
  const copying = going.filter(({ phase, turn }) => phase === 'copying' && turn);
  const asked = [...new Set([...silent, ...copying])].slice(0, MOST_ASKED);
  const answers = await inParallel(asked, MOST_ASKED, async (member) => ({
    member,
    pending: await readPending(client, member.workflowId),
  }));
  const pending = new Map(answers.map((answer) => [answer.member.namespace, answer.pending]));
  const lives = going.map((member): [string, MemberLive] => [
    member.namespace,
    describe(member, byRun.get(member.runId ?? ''), pending.get(member.namespace)),
  ]);
  const problem = problemIn(own, workflowId);
  return {
    asOf: new Date().toISOString(),
    members: Object.fromEntries(lives),
    ...(problem && { problem }),
  };
}

function isSilent(summary: RunSummary | undefined): boolean {
  const at = summary?.control?.capture.at;
  return at === undefined || Date.now() - at.getTime() > SILENT_MS;
}

function describe(
  { phase, workflowId }: MemberState,
  summary: RunSummary | undefined,
  pending: Pending = [],
): MemberLive {
  const { control, copied = { documents: 0, bytes: 0 }, differences = 0 } = summary ?? {};
  const hours = control?.capture.oplogHours;
  const problem = problemIn(pending, workflowId);
  return {
    lagSeconds: control && lagSeconds(control),
    stalled: control !== undefined && phase !== 'preflight' && isStalled(control),
    copied,
    eventsPerSecond: currentRate(control?.capture),
    changesPerSecond: currentRate(control?.replay),
    differences,
    uncomparedSeconds: uncomparedSeconds(control?.replay.asOf, control?.verify?.asOf),
    refused: control?.refused?.count ?? 0,
    shape: control?.shape?.left ?? [],
    ...(hours !== undefined && { oplogHours: hours }),
    ...(heartbeatIn(pending, 'buildIndexes') !== undefined && { indexing: true }),
    ...(problem && { problem }),
  };
}
