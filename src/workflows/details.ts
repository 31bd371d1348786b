import type { GroupBlocker } from '../group.js';
import type { BufferStatus } from './buffer-status.js';
import { duration, historyLeft, nextLine, number, pairTable, table } from './markdown.js';
import { isFinal, storyPhases } from './phases.js';
import type { MigrationStatus } from './status.js';

/** Bytes per second that are not 0.0 MB. */
const SHOWN_GROWTH = 1e5;
/** Reasons of a refusal that are shown; the status has more. */
const REASONS = 5;

/** Status as a Markdown page for the Temporal UI: phases, counters, blockers, what to do next. */
export function renderDetails(status: MigrationStatus): string {
  const { source, namespace, target, targetNamespace } = status;
  return [
    `## ${source}:${namespace} → ${target}:${targetNamespace}`,
    headline(status),
    phaseTable(status),
    counters(status),
    ...blockers(status),
    ...status.warnings.map((warning) => `> Warning: ${warning}`),
    ...status.rejectedMessages.map(({ at, message }) => `> Not understood (${at}): ${message}`),
    next(status),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function headline(status: MigrationStatus): string {
  const flags = [status.paused ? 'paused' : '', status.stalled ? 'stalled' : ''].filter(Boolean);
  const phase = `**${status.phase}**${flags.length > 0 ? ` (${flags.join(', ')})` : ''}`;
  const problem = status.problem
    ? `\n\n> **Problem:** ${status.problem.what}. ${status.problem.todo}.`
    : '';
  return `${phase}${problem}`;
}

function phaseTable(status: MigrationStatus): string {
  const at = storyPhases.findIndex(([phase]) => phase === status.phase);
  const rows = storyPhases
    .filter(([phase]) => phase !== 'waiting' || status.phase === 'waiting')
    .map(([phase, text]) => {
      const index = storyPhases.findIndex(([name]) => name === phase);
      if (phase === status.phase) return [`${phase === 'completed' ? '✓' : '▶'} **${text}**`];
      return [`${at >= 0 && index < at ? '✓' : '·'} ${text}`];
    });
  return table(['Phase'], rows);
}

function counters(status: MigrationStatus): string {
  const { captured, applied, buffer, copied, total, verification, positions, cutover } = status;
  const rows: [string, string][] = [
    [
      'Copied',
      `${number(copied.documents)} of ${number(total.documents)} documents` +
        (status.copiedPercent === null ? '' : ` (${status.copiedPercent} %)`),
    ],
  ];
  if (status.restarts) {
    const { count, at } = status.restarts;
    rows.push([
      'Copy begun anew',
      count === 1 ? `at ${at}` : `${count} times, the last time at ${at}`,
    ]);
  }
  if (status.indexBuild) {
    const { message = 'being built', done, total: all, elapsedSeconds } = status.indexBuild;
    const part = done === undefined || !all ? '' : `, ${number(done)} of ${number(all)}`;
    rows.push(['Indexes', `${message}${part}, for ${elapsedSeconds} s`]);
  }
  if (!isFinal(status.phase)) {
    rows.push(['Lag', status.lagSeconds === null ? 'not known yet' : `${status.lagSeconds} s`]);
  }
  if (captured) {
    const { events, buffered, eventsPerSecond } = captured;
    rows.push([
      'Captured',
      `${number(events)} events, ${number(buffered)} changes kept${progress(eventsPerSecond, positions.buffered, status)}`,
    ]);
  }
  if (applied) {
    const { changes, changesPerSecond } = applied;
    rows.push([
      'Applied',
      `${number(changes)} changes${progress(changesPerSecond, positions.applied, status)}`,
    ]);
  }
  if (buffer) rows.push(['Buffer', describeBuffer(buffer)]);
  if (verification.state !== 'none') {
    rows.push(['Compared', `${number(verification.documents)} documents (${verification.state})`]);
  }
  rows.push(...limitRows(status));
  rows.push(...plannedRows(status));
  if (status.oplogHoursLeft !== null) {
    rows.push(['History left', historyLeft(status.oplogHoursLeft)]);
  }
  if (status.etaSeconds !== null) rows.push(['Done in about', duration(status.etaSeconds)]);
  if (cutover) {
    rows.push(['Open for applications since', cutover.openedAt]);
    rows.push(['Downtime', `${number(cutover.downtimeMs)} ms`]);
  }
  return pairTable(rows);
}

function describeBuffer({ bytes, limitBytes, bytesPerSecond, fullSince }: BufferStatus): string {
  const limit = limitBytes === null ? '' : ` of at most ${megabytes(limitBytes)}`;
  const growth =
    bytesPerSecond === null || bytesPerSecond < SHOWN_GROWTH
      ? ''
      : `, grows by ${megabytes(bytesPerSecond)}/s`;
  return `${megabytes(bytes)}${limit}${fullSince === null ? growth : ', full'}`;
}

function megabytes(bytes: number): string {
  return `${number(Math.round(bytes / 1e5) / 10)} MB`;
}

function blockers(status: MigrationStatus): string[] {
  if (status.cutover || isFinal(status.phase)) return [];
  const last = lastRefusalLine(status.lastRefusal);
  if (status.mayCutOver) return ['**May it cut over? Yes.**', ...last];
  const reasons = status.blockers.map(({ code, message }) => `- ${message} (\`${code}\`)`);
  return [`**May it cut over? No, because:**\n\n${reasons.join('\n')}`, ...last];
}

/** The cutover that was refused last, in a sentence; a signal has no other answer. */
export function lastRefusalLine(
  refused: { readonly at: string; readonly blockers: readonly GroupBlocker[] } | null | undefined,
): string[] {
  if (!refused) return [];
  const { at, blockers: against } = refused;
  const reasons = against.map(({ namespace, message }) =>
    namespace === undefined ? message : `\`${namespace}\`: ${message}`,
  );
  const more = reasons.length > REASONS ? `; and ${reasons.length - REASONS} more` : '';
  return [
    `The cutover asked for at ${at} was refused: ${reasons.slice(0, REASONS).join('; ')}${more}`,
  ];
}

/** Limits that were set, and the size of the replay's steps. */
export function limitRows({
  settings,
  phase,
}: Pick<MigrationStatus, 'settings' | 'phase'>): [string, string][] {
  if (isFinal(phase)) return [];
  return Object.entries(settings)
    .filter(
      ([name, limit]) => limit !== null && (name.endsWith('PerSecond') || name === 'replayBatch'),
    )
    .map(([name, limit]) => [`\`${name}\``, number(Number(limit))]);
}

function next(status: MigrationStatus): string {
  if (status.lateWrites && status.lateWrites.count > 0) {
    return (
      `> ${number(status.lateWrites.count)} writes reached the source after the fence and are not at ` +
      `the target: ${status.lateWrites.first.join(', ')}`
    );
  }
  if (status.left && status.left.length > 0 && status.phase !== 'completed') {
    return `Left at the target: ${status.left.join(', ')}`;
  }
  return nextLine(status.waitingFor);
}

/** Rate and position while it moves; the column is narrow, so today's date is left out. */
function progress(
  perSecond: number,
  through: string | undefined,
  { phase, live }: MigrationStatus,
): string {
  if (isFinal(phase)) return '';
  const rate = `, ${number(perSecond)}/s`;
  if (through === undefined) return rate;
  const [day, time] = through.split('T') as [string, string];
  const date = live.asOf?.startsWith(day) ? '' : `${day} `;
  return `${rate}, up to ${date}${time.slice(0, 8)} UTC`;
}

/** What is said of a cutover that comes by itself. */
export function plannedRows({
  cutoverAt,
  cutoverWhen,
  cutoverAuto,
}: Pick<MigrationStatus, 'cutoverAt' | 'cutoverWhen' | 'cutoverAuto'>): [string, string][] {
  if (cutoverAuto) return [['Cutover planned', 'as soon as nothing speaks against it']];
  if (cutoverAt !== null) return [['Cutover planned at', cutoverAt]];
  if (cutoverWhen === null) return [];
  const { whenLagUnder, forSeconds } = cutoverWhen;
  return [
    ['Cutover planned', `when the lag has been ${whenLagUnder} s or less for ${forSeconds} s`],
  ];
}
