import { beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type MigrateCollectionsOptions,
  parseMigrateCollections,
} from '../../../src/group-options.js';
import { Members } from '../../../src/workflows/group/members.js';
import {
  type GroupState,
  initialGroup,
  type MemberReport,
} from '../../../src/workflows/group/state.js';

vi.mock('@temporalio/workflow', () => ({
  CancellationScope: { current: () => undefined },
  ChildWorkflowCancellationType: {},
  ParentClosePolicy: {},
  defineSignal: () => undefined,
}));

const names = { namespace: 'shop.a', targetNamespace: 'shop.a' };
let state: GroupState;
/** Where the collection is thought to be after each report, and whether it is its turn. */
let seen: string[];
let given: number;
let members: Members;

beforeEach(() => {
  seen = [];
  given = 0;
  state = initialGroup('2026-06-01T00:00:00.000Z', undefined);
  state.members = [
    { ...names, documents: 1, bytes: 1, workflowId: 'a', runId: '1', phase: 'preflight' },
  ];
  members = new Members({
    group: { workflowId: 'group' },
    options: optionsOf(
      parseMigrateCollections({ source: 's', target: 't', namespaces: ['shop.*'] }),
    ),
    state,
    changed: () => {
      const hadTurn = state.members[0]?.turn;
      members.giveTurns();
      const [member] = state.members;
      if (member?.turn && !hadTurn) given += 1;
      seen.push(`${member?.phase}${member?.turn ? ' in turn' : ''}`);
    },
  });
});

function optionsOf(parsed: ReturnType<typeof parseMigrateCollections>): MigrateCollectionsOptions {
  if ('error' in parsed) throw new Error(parsed.error);
  return parsed.value;
}

const asks: MemberReport = { namespace: 'shop.a', phase: 'copying', order: 1, needsTurn: true };
const waits: MemberReport = { namespace: 'shop.a', phase: 'waiting', order: 2 };
const asksAgain: MemberReport = { ...asks, order: 3 };
const replays: MemberReport = { namespace: 'shop.a', phase: 'replaying', order: 4 };
const isReady: MemberReport = { namespace: 'shop.a', phase: 'ready', order: 5 };

describe('reports of a collection', () => {
  it.each([
    ['in their order', [asks, waits, asksAgain, replays, isReady]],
    ['with a wait that is told too late', [asks, asksAgain, waits, replays, isReady]],
    ['with a replay that is told too late', [asks, waits, asksAgain, isReady, replays]],
  ])('lead to a turn for each copy, and to ready: %s', (_what, reports) => {
    for (const each of reports) members.report(each);
    expect(given).toBe(2);
    expect(seen.at(-1)).toBe('ready in turn');
  });

  it('that come twice give no second turn', () => {
    for (const each of [asks, asks]) members.report(each);
    expect(given).toBe(1);
  });

  it('of a copy that begins anew keep its turn', () => {
    const again: MemberReport = { namespace: 'shop.a', phase: 'copying', order: 3 };
    for (const each of [asks, { ...replays, order: 2 }, again]) members.report(each);
    expect(seen).toEqual(['copying in turn', 'replaying in turn', 'copying in turn']);
    expect(given).toBe(1);
  });

  it('of an older build are taken as they come', () => {
    for (const { namespace, phase } of [asks, waits, asksAgain])
      members.report({ namespace, phase });
    expect(seen).toEqual(['copying in turn', 'waiting', 'copying in turn']);
  });
});
