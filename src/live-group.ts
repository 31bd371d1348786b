import type { Client } from '@temporalio/client';
import { uncomparedSeconds } from './blockers.js';
import type { Connections } from './connections.js';
import type { Group } from './group.js';
import { inParallel } from './in-parallel.js';
import { readRuns, type RunSummary } from './mongo/run-summary.js';
import { currentRate, isStalled, lagSeconds } from './mongo/lag.js';
import { parseNamespace } from './names.js';
import { problemIn, readPending } from './pending-activities.js';
import type { GroupLive, MemberLive } from './workflows/group/status.js';
import { type GroupState, isUnderWay, type MemberState } from './workflows/group/state.js';
import type { Problem } from './workflows/status.js';

/** Capture writes every two seconds: after this silence Temporal is asked what is wrong (ms). */
const SILENT_MS = 6_000;
/** Workflows that are asked for, of those that are silent. */
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
  const problemOf = async (id: string): Promise<Problem | undefined> =>
    problemIn(await readPending(client, id), id);
  const [summaries, own] = await Promise.all([
    Promise.all([...databases].map((db) => readRuns(connections.get(target).db(db), runIds))),
    problemOf(workflowId),
  ]);
  const byRun = new Map(summaries.flatMap((each) => [...each]));
  const silent = going.filter(({ runId = '' }) => isSilent(byRun.get(runId)));
  const asked = await inParallel(silent.slice(0, MOST_ASKED), MOST_ASKED, async (member) => ({
    member,
    problem: await problemOf(member.workflowId),
  }));
  const problems = new Map(asked.map(({ member, problem }) => [member.namespace, problem]));
  const lives = going.map((member): [string, MemberLive] => [
    member.namespace,
    describe(member, byRun.get(member.runId ?? ''), problems.get(member.namespace)),
  ]);
  return {
    asOf: new Date().toISOString(),
    members: Object.fromEntries(lives),
    ...(own && { problem: own }),
  };
}

function isSilent(summary: RunSummary | undefined): boolean {
  const at = summary?.control?.capture.at;
  return at === undefined || Date.now() - at.getTime() > SILENT_MS;
}

function describe(
  { phase }: MemberState,
  summary: RunSummary | undefined,
  problem: Problem | undefined,
): MemberLive {
  const { control, copied = { documents: 0, bytes: 0 }, differences = 0 } = summary ?? {};
  const hours = control?.capture.oplogHours;
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
    ...(problem && { problem }),
  };
}
