import { differenceBlockers, shapeBlocker, verificationBehind } from '../../blockers.js';
import type { Group, GroupBlocker, GroupCutoverReport, LeftOut } from '../../group.js';
import { shorten } from '../../shorten.js';
import { estimateCopy } from '../estimate.js';
import { isFinal, type Phase } from '../phases.js';
import {
  type Amount,
  describeAwaited,
  type MigrationStatus,
  percent,
  type Problem,
} from '../status.js';
import { groupBlockers } from './blockers.js';
import { countPhases, differingIn, fitting, lineOf, type MemberLine, slowest } from './lines.js';
import type { GroupLive, GroupUnread } from './live.js';
import { pendingPlan, plannedOfGroup } from './plan.js';
import {
  type GroupSettings,
  type GroupState,
  hasFailed,
  isEarlier,
  isCopied,
  isToCutOver,
  isUnderWay,
  type MemberState,
  settingsOfGroup,
} from './state.js';

/** Lists are cut at so many entries, with the number of all beside them. */
const MOST = 20;
/** Reasons of one collection, and characters of one. */
const MOST_REASONS = 2;
const LONGEST = 300;

/** The answer to a group's query `status`. */
export interface GroupStatus {
  readonly kind: 'group';
  /** That of the collection which is least far. */
  readonly phase: Phase;
  readonly paused: boolean;
  readonly waitingFor: string | null;
  readonly source: string;
  readonly target: string;
  readonly namespaces: readonly string[];
  readonly startedAt: string;
  readonly counts: ReturnType<typeof countPhases>;
  readonly copied: Amount;
  readonly total: Amount;
  readonly copiedPercent: number | null;
  readonly etaSeconds: number | null;
  /** The largest of all collections. */
  readonly lagSeconds: number | null;
  readonly eventsPerSecond: number;
  readonly changesPerSecond: number;
  /** The same in all, of those that are under way. */
  readonly captured: { readonly events: number; readonly eventsPerSecond: number };
  readonly applied: { readonly changes: number; readonly changesPerSecond: number };
  readonly verification: {
    /** `done`: of all; one that was cut over before stays uncompared. */
    readonly state: MigrationStatus['verification']['state'];
    /** Documents that were compared, and that are known to differ; `null` where the servers do not say. */
    readonly documents: number;
    readonly differing: number | null;
  };
  /** The least of all collections, in hours. */
  readonly oplogHoursLeft: number | null;
  readonly mayCutOver: boolean;
  readonly cutoverAt: string | null;
  readonly cutoverWhen: MigrationStatus['cutoverWhen'];
  readonly cutoverAuto: boolean;
  /** Namespaces that the planned cutover leaves as they are. */
  readonly cutoverLeave?: {
    readonly count: number;
    readonly first: readonly string[];
    /** Whether all the others are copied, and none of them has failed. */
    readonly isReady: boolean;
    /** Whether one of the others has failed. */
    readonly needsRetry: boolean;
  };
  readonly blockers: readonly GroupBlocker[];
  readonly lastRefusal: GroupState['refused'] | null;
  /** Those that are least far, with what keeps them. */
  readonly slowest: readonly MemberLine[];
  /** The first of the problems. */
  readonly problem: (Problem & { readonly namespace?: string }) | null;
  readonly problems: readonly (Problem & { readonly namespace?: string })[];
  readonly settings: GroupSettings;
  readonly leftOut: { readonly count: number; readonly first: readonly LeftOut[] };
  /** Collections that have appeared at the source since and are not taken up. */
  readonly appeared: { readonly count: number; readonly first: readonly string[] };
  /** All collections, as far as they find room. */
  readonly collections: readonly MemberLine[];
  readonly collectionsNotShown: number;
  readonly cutover: GroupCutoverReport | null;
  readonly openedAt: string | null;
  /** Collections that have ended and that somebody has to look at, with the reasons of the first ones. */
  readonly afterwards: {
    readonly count: number;
    readonly first: readonly { readonly namespace: string; readonly what: readonly string[] }[];
  };
  readonly failure: string | null;
  readonly warnings: readonly string[];
  readonly rejectedMessages: GroupState['rejected'];
  /** When the live fields were read; with `error` they could not be. */
  readonly live: { readonly asOf?: string; readonly error?: string };
}

/** Puts together what the group knows, and what the servers say of its collections. */
export function buildGroupStatus(
  state: GroupState,
  { options }: Pick<Group, 'options'>,
  live?: GroupLive | GroupUnread,
): GroupStatus {
  const now = live && !('error' in live) ? live : undefined;
  const asOf = state.paused ? undefined : now?.asOf;
  const lines = state.members.map((member) => lineOf(member, now?.members[member.namespace], asOf));
  const lives = state.members
    .filter(isUnderWay)
    .flatMap(({ namespace }) => now?.members[namespace] ?? []);
  const blockers = blockersOf(state, options.maxLagSeconds, live);
  const copied = sumOfCopied(state.members, now);
  const total = {
    documents: Math.max(
      copied.documents,
      sum(state.members, ({ documents }) => documents),
    ),
    bytes: Math.max(
      copied.bytes,
      sum(state.members, ({ bytes }) => bytes),
    ),
  };
  const eventsPerSecond = sum(lives, (each) => each.eventsPerSecond);
  const changesPerSecond = sum(lives, (each) => each.changesPerSecond);
  const problems = problemsOf(state, live);
  const rest: Omit<GroupStatus, 'collections' | 'collectionsNotShown'> = {
    kind: 'group',
    phase: state.phase,
    paused: state.paused,
    waitingFor: waitingFor(state, options),
    source: options.source,
    target: options.target,
    namespaces: options.namespaces.slice(0, MOST),
    startedAt: state.startedAt,
    counts: countPhases(lines),
    copied,
    total,
    copiedPercent: percent(copied.documents, total.documents),
    etaSeconds: eta(state, now, copied.documents, total.documents),
    lagSeconds: most(lives.flatMap(({ lagSeconds }) => lagSeconds ?? [])),
    eventsPerSecond,
    changesPerSecond,
    captured: { events: sum(lives, ({ events }) => events), eventsPerSecond },
    applied: { changes: sum(lives, ({ changes }) => changes), changesPerSecond },
    verification: verificationOf(state, options.verify, now),
    oplogHoursLeft: least(lives.flatMap(({ oplogHours }) => oplogHours ?? [])),
    mayCutOver: blockers.length === 0,
    ...plannedOfGroup(state, options),
    blockers: shortened(blockers),
    lastRefusal: state.refused
      ? { at: state.refused.at, blockers: shortened(state.refused.blockers) }
      : null,
    slowest: slowest(state.members, lines),
    problem: problems[0] ?? null,
    problems,
    settings: settingsOfGroup(options, state),
    leftOut: { count: state.leftOut.length, first: state.leftOut.slice(0, MOST) },
    appeared: { count: state.appeared.length, first: state.appeared.slice(0, MOST) },
    cutover: state.lastCutover ?? null,
    openedAt: state.lastCutover?.openedAt ?? null,
    afterwards: afterwardsOf(state.members),
    failure: state.failure ?? null,
    warnings: state.warnings.slice(0, MOST),
    rejectedMessages: state.rejected,
    live: live ? ('error' in live ? { error: live.error } : { asOf: live.asOf }) : {},
  };
  const collections = fitting(lines, rest);
  return { ...rest, collections, collectionsNotShown: lines.length - collections.length };
}

/** The first ones, in short: one may name whatever a server has said. */
function shortened(blockers: readonly GroupBlocker[]): GroupBlocker[] {
  return blockers
    .slice(0, MOST)
    .map((each) => ({ ...each, message: shorten(each.message, LONGEST) }));
}

function afterwardsOf(members: readonly MemberState[]): GroupStatus['afterwards'] {
  const all = members.filter(({ afterwards }) => afterwards !== undefined);
  const first = all.slice(0, MOST).map(({ namespace, afterwards = [] }) => ({
    namespace,
    what: afterwards.slice(0, MOST_REASONS),
  }));
  return { count: all.length, first };
}

/** What the group knows, and what is seen of the collections; they are asked themselves when it begins. */
function blockersOf(
  state: GroupState,
  maxLagSeconds: number,
  live: GroupLive | GroupUnread | undefined,
): GroupBlocker[] {
  const blockers = groupBlockers(state, [], state.cutting ?? false);
  if (isFinal(state.phase) || blockers.length > 0) return blockers;
  if (!live || 'error' in live) {
    return [{ code: 'unknown', message: 'the state at the servers could not be read' }];
  }
  return state.members.filter(isToCutOver).flatMap(({ namespace, phase }): GroupBlocker[] => {
    const of = (code: string, message: string) => ({ code, message, namespace });
    if (phase === 'replaying') return [of('verification', 'replay or comparison is not finished')];
    const member = live.members[namespace];
    if (!member) return [of('unknown', 'its state at the target could not be read')];
    const { lagSeconds, stalled, differences, uncomparedSeconds, refused, shape } = member;
    const found: GroupBlocker[] = differenceBlockers({
      differing: differences,
      missing: 0,
      extra: 0,
    }).map(({ code }) => of(code, `${differences} documents differ`));
    if (shape.length > 0) found.push({ ...shapeBlocker(shape), namespace });
    if (member.still) found.push(of('paused', 'nothing applies its changes: it is paused'));
    if (stalled) found.push(of('stalled', 'the capture has stood still for 30 s'));
    if (refused > 0) found.push(of('refused', `the target does not take ${refused} documents`));
    if (uncomparedSeconds !== undefined) {
      found.push({ ...verificationBehind(uncomparedSeconds), namespace });
    }
    if (lagSeconds === undefined || lagSeconds > maxLagSeconds) {
      const behind = `the target is ${lagSeconds ?? 'an unknown number of'} seconds behind`;
      found.push(of('lag', `${behind}; allowed are ${maxLagSeconds}`));
    }
    return found;
  });
}

function sumOfCopied(members: readonly MemberState[], live: GroupLive | undefined): Amount {
  const each = members.map((member): Amount => {
    const seen = live?.members[member.namespace]?.copied;
    const isDone = isCopied(member) && !hasFailed(member);
    return seen ?? (isDone ? member : { documents: 0, bytes: 0 });
  });
  return {
    documents: sum(each, ({ documents }) => documents),
    bytes: sum(each, ({ bytes }) => bytes),
  };
}

function verificationOf(
  { members }: GroupState,
  verify: Group['options']['verify'],
  live: GroupLive | undefined,
): GroupStatus['verification'] {
  if (verify === 'none') return { state: 'none', documents: 0, differing: 0 };
  const going = members.filter((member) => !hasFailed(member) && !member.earlier);
  const isDone = ({ phase, openedAt, uncompared }: MemberState) =>
    openedAt === undefined ? !isEarlier(phase, 'ready') : !uncompared;
  const documents = sum(going, (member) => {
    const compared = live?.members[member.namespace]?.compared ?? 0;
    return isDone(member) ? Math.max(compared, member.documents) : compared;
  });
  const isUnread = live === undefined && going.some(isToCutOver);
  const differing = isUnread
    ? null
    : sum(going, (member) => differingIn(member, live?.members[member.namespace]));
  const isBegun = documents > 0 || going.some(({ phase }) => !isEarlier(phase, 'replaying'));
  const isWhole = going.length > 0 && going.every(isDone);
  return { state: isWhole ? 'done' : isBegun ? 'running' : 'planned', documents, differing };
}

function problemsOf(
  state: GroupState,
  live: GroupLive | GroupUnread | undefined,
): GroupStatus['problems'] {
  const own = live?.problem ? [live.problem] : [];
  const ended = state.aborting
    ? []
    : state.members.filter(hasFailed).map(({ namespace, failure = 'it was ended' }) => ({
        namespace,
        what: shorten(failure),
        todo: 'mend that and send retry, or leave it at the cutover',
      }));
  const others =
    live && 'error' in live
      ? Object.entries(live.problems ?? {}).map(([namespace, problem]) => ({
          namespace,
          ...problem,
        }))
      : Object.entries(live?.members ?? {}).flatMap(([namespace, { problem }]) =>
          problem ? [{ namespace, ...problem }] : [],
        );
  return [...own, ...ended, ...others].slice(0, MOST);
}

function waitingFor(state: GroupState, options: Group['options']): string | null {
  const { phase, paused } = state;
  if (isFinal(phase)) return null;
  if (paused) return 'resume (update or signal)';
  if (phase === 'waiting') return 'restore (update or signal)';
  if (phase !== 'ready') return null;
  return describeAwaited(pendingPlan(state, options));
}

function eta(
  { phase, paused, copyingSince }: GroupState,
  live: GroupLive | undefined,
  copied: number,
  total: number,
): number | null {
  if (!live || paused || phase !== 'copying') return null;
  return estimateCopy({ since: copyingSince, asOf: live.asOf }, copied, total);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((all, item) => all + of(item), 0);
}

function most(values: readonly number[]): number | null {
  return values.length > 0 ? Math.max(...values) : null;
}

function least(values: readonly number[]): number | null {
  return values.length > 0 ? Math.min(...values) : null;
}
