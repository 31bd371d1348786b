import { storyPhases } from './phases.js';
import type { MigrationStatus } from './status.js';

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
      if (phase === status.phase) return `| ${phase === 'completed' ? '✓' : '▶'} | **${text}** |`;
      return `| ${at >= 0 && index < at ? '✓' : ' '} | ${text} |`;
    });
  return ['| | Phase |', '|---|---|', ...rows].join('\n');
}

function counters(status: MigrationStatus): string {
  const { captured, applied, copied, total, verification, positions } = status;
  const rows: [string, string][] = [
    [
      'Copied',
      `${number(copied.documents)} of ${number(total.documents)} documents` +
        (status.copiedPercent === null ? '' : ` (${status.copiedPercent} %)`),
    ],
    ['Lag', status.lagSeconds === null ? 'not known yet' : `${status.lagSeconds} s`],
  ];
  if (captured) {
    rows.push([
      'Captured',
      `${number(captured.events)} events, ${number(captured.buffered)} changes kept, ${number(captured.eventsPerSecond)}/s${upTo(positions.buffered)}`,
    ]);
  }
  if (applied) {
    rows.push([
      'Applied',
      `${number(applied.changes)} changes, ${number(applied.changesPerSecond)}/s${upTo(positions.applied)}`,
    ]);
  }
  if (verification.state !== 'none') {
    rows.push(['Compared', `${number(verification.documents)} documents (${verification.state})`]);
  }
  if (status.oplogHoursLeft !== null) {
    rows.push(['History left at the source', `${status.oplogHoursLeft} hours`]);
  }
  if (status.etaSeconds !== null) rows.push(['Done in about', `${status.etaSeconds} s`]);
  if (status.cutover) {
    rows.push(['Open for applications since', status.cutover.openedAt]);
    rows.push(['Downtime', `${status.cutover.downtimeMs} ms`]);
  }
  return ['| | |', '|---|---|', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join(
    '\n',
  );
}

function blockers(status: MigrationStatus): string[] {
  if (status.cutover || ['completed', 'aborted', 'failed'].includes(status.phase)) return [];
  if (status.mayCutOver) return ['**May it cut over? Yes.**'];
  const reasons = status.blockers.map(({ code, message }) => `- ${message} (\`${code}\`)`);
  const refused = status.lastRefusal;
  const last = refused
    ? [
        `The cutover asked for at ${refused.at} was refused: ${refused.blockers.map(({ message }) => message).join('; ')}`,
      ]
    : [];
  return [`**May it cut over? No, because:**\n\n${reasons.join('\n')}`, ...last];
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
  return status.waitingFor ? `**Next:** it waits for ${status.waitingFor}.` : '';
}

function upTo(time: string | undefined): string {
  return time ? `, up to ${time}` : '';
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
