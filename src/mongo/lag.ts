import type { ControlDocument } from './control-document.js';

/** Capture writes at least every four seconds, also on an idle source. */
const FRESH_MS = 8_000;
/** Capture writes much more often than this. */
const AT_WORK_MS = 60_000;
/** A rate that is older says nothing; that of the replay is written with each of its ranges, which take up to a minute. */
const RATE_MS = { usual: 5_000, behind: 60_000 } as const;
/** Without a word from capture for so long, it counts as stalled. */
const STALLED_MS = 30_000;

/**
 * Seconds by which the target is behind the source: the age of the oldest change that may not be
 * applied yet. 0 to a few hundredths when everything that is captured is applied and capture has
 * just heard that there is nothing more. Nothing before capture has read for the first time.
 */
export function lagSeconds(
  { capture, replay }: Pick<ControlDocument, 'capture' | 'replay'>,
  now = new Date(),
): number | undefined {
  if (!capture.through || !capture.asOf || !capture.at) return undefined;
  const isFresh = now.getTime() - capture.at.getTime() < FRESH_MS;
  if (isAllApplied({ capture, replay }) && isFresh) {
    return seconds(capture.at.getTime() - capture.asOf.getTime());
  }
  const asOf = appliedAsOf({ capture, replay });
  return asOf && seconds(now.getTime() - asOf.getTime());
}

/** Time up to which the source's changes are at the target. */
export function appliedAsOf({
  capture,
  replay,
}: Pick<ControlDocument, 'capture' | 'replay'>): Date | undefined {
  return isAllApplied({ capture, replay }) ? capture.asOf : replay.asOf;
}

/** Time up to which changed documents were compared; nothing before that has begun. */
export function comparedAsOf(
  document: Pick<ControlDocument, 'replay' | 'verify'>,
): Date | undefined {
  const { replay, verify } = document;
  if (isAllCompared(document)) return replay.asOf;
  const { uncomparedFrom: from } = replay;
  // The comparison writes its position seldom where nothing changes.
  return verify?.asOf && from && from > verify.asOf ? from : verify?.asOf;
}

/** Whether everything that was applied was compared. */
export function isAllCompared({
  replay,
  verify,
}: Pick<ControlDocument, 'replay' | 'verify'>): boolean {
  return verify?.events === replay.events;
}

/** Whether everything that is in the buffer is at the target. */
export function isAllApplied({
  capture,
  replay,
}: Pick<ControlDocument, 'capture' | 'replay'>): boolean {
  const captured = capture.through?._data;
  if (captured === undefined || replay.through === undefined) return false;
  // A position that moved without changes is no lag until the replay has looked.
  return replay.drained?.captured === capture.buffered || replay.through >= captured;
}

/** How many of the changes that the capture has counted are at the target; one that was lost may have left others. */
export function appliedChanges({
  capture,
  replay,
}: Pick<ControlDocument, 'capture' | 'replay'>): number {
  const { captured = 0, events = 0 } = replay.drained ?? {};
  return Math.min(capture.buffered, captured + replay.events - events);
}

/**
 * Whether capture has not said anything for 30 s, because no worker runs it or it cannot reach a side; or
 * has stood still for so long although the source moves.
 */
export function isStalled(
  { capture, startedAt }: Pick<ControlDocument, 'capture' | 'startedAt'>,
  now = new Date(),
): boolean {
  const since = capture.standsSince ?? capture.at ?? startedAt;
  return now.getTime() - since.getTime() > STALLED_MS;
}

/** Whether a migration has written its state within the last minute. */
export function isAtWork(
  {
    capture,
    replay,
    startedAt,
  }: Partial<Pick<ControlDocument, 'capture' | 'replay' | 'startedAt'>>,
  now = new Date(),
): boolean {
  const last = Math.max(...[capture?.at, replay?.at, startedAt].map((at) => at?.getTime() ?? 0));
  return now.getTime() - last < AT_WORK_MS;
}

/** Changes captured per second; a rate is written with each step, and without steps it is nothing. */
export function captureRate(document: Pick<ControlDocument, 'capture'> | undefined): number {
  const { at, rate = 0 } = document?.capture ?? {};
  return isRecent(at) ? rate : 0;
}

/** Changes applied per second. */
export function replayRate(
  document: Pick<ControlDocument, 'capture' | 'replay'> | undefined,
): number {
  if (!document) return 0;
  const { replay } = document;
  const most = isAllApplied(document) ? RATE_MS.usual : RATE_MS.behind;
  return isRecent(replay.at, most) ? replay.rate : 0;
}

/** Whether something that is written with each step is of the last seconds. */
export function isRecent(at: Date | undefined, ms: number = RATE_MS.usual): boolean {
  return at !== undefined && Date.now() - at.getTime() < ms;
}

function seconds(ms: number): number {
  return Math.max(0, Math.round(ms / 10) / 100);
}
