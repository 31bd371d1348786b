import type { Amount, Live, MigrationState, Problem } from './status.js';

/** What is smaller comes and goes with every range that is applied, in bytes. */
const NOTABLE_BYTES = 64 * 1024 ** 2;
/** The same as a part of the limit. */
const NOTABLE_PART = 0.25;

const LONGEST_HOURS = 30 * 24;

/** The changes that are kept at the target, as status shows them. */
export interface BufferStatus extends Amount {
  /** Bytes by which it has grown per second over the last minute, less than 0 where it shrinks. */
  readonly bytesPerSecond: number | null;
  /** Bytes at which the capture waits. */
  readonly limitBytes: number | null;
  /** Seconds until then, if it goes on growing like this. */
  readonly fullInSeconds: number | null;
  /** Since when the capture has been waiting. */
  readonly fullSince: string | null;
}

/** Puts together what the servers and the settings say of the buffer; nothing when nobody could ask. */
export function bufferOf(live: Live | undefined, limitBytes: number | null): BufferStatus | null {
  if (!live?.buffer) return null;
  const { documents, bytes, growth = null, fullSince = null } = live.buffer;
  const isGrowing = growth !== null && growth > 0 && fullSince === null;
  const room = limitBytes === null ? null : Math.max(0, limitBytes - bytes);
  return {
    documents,
    bytes,
    bytesPerSecond: growth,
    limitBytes,
    fullInSeconds: isGrowing && room !== null ? Math.round(room / growth) : null,
    fullSince,
  };
}

/** What hinders a migration whose buffer is full; nothing while it is not. */
export function bufferProblem(
  buffer: BufferStatus | null,
  state: Pick<MigrationState, 'copy' | 'paused'>,
  oplogHoursLeft: number | null,
): Problem | undefined {
  if (!buffer || buffer.fullSince === null || buffer.limitBytes === null) return undefined;
  const left =
    oplogHoursLeft === null
      ? "see that the source's oplog holds what is not read meanwhile"
      : `the source's oplog holds what is not read for another ${hours(oplogHoursLeft)}`;
  return {
    what: `the buffer has reached its limit of ${size(buffer.limitBytes)}, and the capture waits for room`,
    since: buffer.fullSince,
    todo: `${whatMakesRoom(state)}; ${left}`,
  };
}

/** What is coming: a limit that will be reached, a replay that does not catch up. */
export function bufferWarnings(
  buffer: BufferStatus | null,
  { copy, paused }: Pick<MigrationState, 'copy' | 'paused'>,
): string[] {
  if (!buffer || buffer.fullSince !== null || (buffer.bytesPerSecond ?? 0) <= 0) return [];
  const { bytes, bytesPerSecond, limitBytes, fullInSeconds } = buffer;
  if (bytes < Math.min(NOTABLE_BYTES, (limitBytes ?? Infinity) * NOTABLE_PART)) return [];
  const grown = `the buffer has ${size(bytes)} and grows by ${size(bytesPerSecond ?? 0)} per second`;
  const isReplaying = copy === 'done' && !paused;
  if (limitBytes !== null) {
    const when = `it reaches its limit of ${size(limitBytes)} in about ${time(fullInSeconds ?? 0)}, and then the capture waits`;
    return [`${grown}: ${when}; ${whatMakesRoom({ copy, paused })}`];
  }
  if (!isReplaying) return [];
  return [
    `${grown}: the source is written to faster than changes are applied and compared, and at this rate the ` +
      'replay never catches up; give the target more CPU or disk, or let applications write less. "tune" with ' +
      '"maxBufferBytes" keeps the target from filling up',
  ];
}

/** The search for the oplog's beginning ends at 31 days. */
function hours(left: number): string {
  return left >= LONGEST_HOURS ? '30 days or more' : `${Math.round(left * 10) / 10} hours`;
}

function whatMakesRoom({ copy, paused }: Pick<MigrationState, 'copy' | 'paused'>): string {
  const raise = 'raise "maxBufferBytes" with "tune" if the target has the disk for it';
  if (paused) return `changes are applied after "resume"; send it, or ${raise}`;
  if (copy !== 'done') return `changes are applied when the copy is done; ${raise}`;
  return (
    'it goes on by itself when enough is applied; if that lasts, give the target more CPU or disk, let ' +
    `applications write less, or ${raise}`
  );
}

/** Bytes with two digits that count, so that a text does not change all the time. */
function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${rounded(bytes / 1000 ** power)} ${units[power] ?? ''}`;
}

function time(seconds: number): string {
  if (seconds < 90) return `${rounded(seconds)} s`;
  if (seconds < 90 * 60) return `${rounded(seconds / 60)} min`;
  return seconds < 48 * 3600
    ? `${rounded(seconds / 3600)} hours`
    : `${rounded(seconds / 86_400)} days`;
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(value < 100 ? 2 : 3)));
}
