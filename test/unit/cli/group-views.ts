import pico from 'picocolors';
import type { Screen } from '../../../src/cli/render-migration.js';
import type { GroupView } from '../../../src/cli/view.js';
import { parseMigrateCollections } from '../../../src/group-options.js';
import { initialGroup } from '../../../src/workflows/group/state.js';
import type { MemberLine } from '../../../src/workflows/group/lines.js';
import { buildGroupStatus, type GroupStatus } from '../../../src/workflows/group/status.js';

export const COLUMNS = 80;
export const pipe: Screen = { isLive: false, columns: COLUMNS, colors: pico.createColors(false) };
export const terminal: Screen = { ...pipe, isLive: true };

/** The status of a group that has only begun, with these fields instead. */
export function groupStatus(fields: Partial<GroupStatus> = {}): GroupStatus {
  const namespaces = ['shop.*', 'crm.people'];
  const parsed = parseMigrateCollections({ source: 'source', target: 'target', namespaces });
  if ('error' in parsed) throw new Error(parsed.error);
  const state = initialGroup('2026-01-01T00:00:00.000Z', undefined);
  return { ...buildGroupStatus(state, { options: parsed.value }), ...fields };
}

export function viewOf(fields: Partial<GroupStatus>, more: Partial<GroupView> = {}): GroupView {
  return {
    workflowId: 'migrate:source:shop.*,crm.people',
    runId: 'run',
    type: 'migrateCollections',
    state: 'running',
    startedAt: '2026-01-01T00:00:00.000Z',
    endedAt: null,
    input: null,
    status: groupStatus(fields),
    noAnswer: null,
    failure: null,
    underway: [],
    ...more,
  };
}

export function line(namespace: string, fields: Partial<MemberLine> = {}): MemberLine {
  return { namespace, phase: 'ready', copiedPercent: 100, lagSeconds: 0.2, ...fields };
}

export const copying = {
  phase: 'copying',
  counts: { all: 12, ready: 9, copying: 2, queued: 1 },
  copied: { documents: 5_000, bytes: 2_000_000 },
  total: { documents: 20_000, bytes: 8_000_000 },
  copiedPercent: 25,
  etaSeconds: 90,
  lagSeconds: 0.4,
  oplogHoursLeft: 744,
  eventsPerSecond: 98,
  changesPerSecond: 97,
  slowest: [line('shop.carts', { phase: 'copying', copiedPercent: 12.5, lagSeconds: null })],
} as const satisfies Partial<GroupStatus>;
