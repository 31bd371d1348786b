import { shorten } from '../../shorten.js';
import { measureCopy } from '../estimate.js';
import type { Phase } from '../phases.js';
import { percent } from '../status.js';
import type { MemberLive } from './live.js';
import { hasFailed, isCopied, isUnderWay, type MemberState } from './state.js';

/** Bytes that a status may have, and the list of collections in it: Temporal's answers are to stay small. */
const MOST_BYTES = { all: 95_000, lines: 60_000 } as const;
const SLOWEST = 10;

/**
 * One collection in a group's status. `queued`: captured, and waits for its turn to be copied; `indexing`:
 * copied, and its indexes are built.
 */
export interface MemberLine {
  readonly namespace: string;
  /** Where it differs from `namespace`. */
  readonly targetNamespace?: string;
  readonly phase: Phase | 'queued' | 'indexing';
  readonly copiedPercent: number | null;
  readonly lagSeconds: number | null;
  /** While it is copied, once that says something: documents copied in a second, and how long it takes still. */
  readonly copiedPerSecond?: number;
  readonly etaSeconds?: number;
  /** How much has been compared, while that has to be done for the first time. */
  readonly comparedPercent?: number;
  /** Documents that are known to differ, where there are any; of one that is cut over, those that were then. */
  readonly differing?: number;
  /** It was cut over before all of it had been compared, or by an earlier run, which knows. */
  readonly uncompared?: true;
  readonly failure?: string;
}

/** The phases of collections, in the order in which they go through them. */
export const memberPhases = [
  'preflight',
  'queued',
  'copying',
  'indexing',
  'waiting',
  'replaying',
  'ready',
  'cuttingOver',
  'completed',
  'aborted',
  'failed',
] as const satisfies readonly MemberLine['phase'][];

/**
 * What is shown of one collection.
 * @param asOf when `live` was read, unless nothing is copied now.
 */
export function lineOf(
  member: MemberState,
  live: MemberLive | undefined,
  asOf?: string,
): MemberLine {
  const { namespace, targetNamespace, phase, turn, documents, failure } = member;
  const stage =
    phase !== 'copying' ? phase : !turn ? 'queued' : live?.indexing ? 'indexing' : phase;
  const isDone = stage === 'indexing' || (isCopied(member) && !hasFailed(member));
  const copied = live?.copied.documents ?? 0;
  const differing = differingIn(member, live);
  return {
    namespace,
    ...(targetNamespace !== namespace && { targetNamespace }),
    phase: stage,
    copiedPercent: isDone ? 100 : percent(copied, Math.max(documents, copied)),
    lagSeconds: live?.lagSeconds ?? null,
    ...(stage === 'copying' && asOf !== undefined && paceOf(member, copied, asOf)),
    ...(phase === 'replaying' && live && comparedOf(live.compared, documents)),
    ...(differing > 0 && { differing }),
    ...((member.uncompared || member.earlier) && { uncompared: true }),
    ...(failure !== undefined && { failure: shorten(failure) }),
  };
}

/** Documents of a collection that are known to differ; once it is cut over, those that were then. */
export function differingIn(
  { openedAt, differing = 0 }: MemberState,
  live: MemberLive | undefined,
): number {
  return openedAt === undefined ? (live?.differences ?? 0) : differing;
}

function comparedOf(compared: number, documents: number): Pick<MemberLine, 'comparedPercent'> {
  const comparedPercent = percent(compared, Math.max(documents, compared));
  return compared > 0 && comparedPercent !== null ? { comparedPercent } : {};
}

function paceOf(
  { copyingSince: since, documents }: MemberState,
  copied: number,
  asOf: string,
): Pick<MemberLine, 'copiedPerSecond' | 'etaSeconds'> {
  const pace = measureCopy({ since, asOf }, copied, documents);
  if (!pace) return {};
  const { perSecond, etaSeconds } = pace;
  // One that has grown, or was taken up later, has more than were counted before its copy.
  return { copiedPerSecond: Math.round(perSecond), ...(copied < documents && { etaSeconds }) };
}

/** How many collections are in each phase, and how many there are. */
export function countPhases(
  lines: readonly MemberLine[],
): Readonly<Partial<Record<MemberLine['phase'], number>>> & { readonly all: number } {
  const counts: Partial<Record<MemberLine['phase'], number>> = {};
  for (const { phase } of lines) counts[phase] = (counts[phase] ?? 0) + 1;
  return { all: lines.length, ...counts };
}

/** The lines of those that are least far. */
export function slowest(
  members: readonly MemberState[],
  lines: readonly MemberLine[],
): MemberLine[] {
  const ready = memberPhases.indexOf('ready');
  const isSlow = ({ phase }: MemberLine) => memberPhases.indexOf(phase) < ready;
  if (!members.some(isUnderWay)) return [];
  const rank = ({ phase, copiedPercent }: MemberLine) =>
    memberPhases.indexOf(phase) * 1_000 + (copiedPercent ?? 0);
  return lines
    .filter(isSlow)
    .toSorted((one, other) => rank(one) - rank(other))
    .slice(0, SLOWEST);
}

/** As many lines as find room beside the rest of a status. */
export function fitting(lines: readonly MemberLine[], rest: object): MemberLine[] {
  const encoder = new TextEncoder();
  const sizeOf = (each: object) => encoder.encode(JSON.stringify(each)).length;
  let room = Math.min(MOST_BYTES.lines, MOST_BYTES.all - sizeOf(rest));
  const at = lines.findIndex((line) => {
    room -= sizeOf(line) + 1;
    return room < 0;
  });
  return lines.slice(0, at < 0 ? lines.length : at);
}
