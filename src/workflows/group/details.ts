import { plannedRows } from '../details.js';
import { number, pairTable } from '../markdown.js';
import { isFinal } from '../phases.js';
import { type GroupStatus, memberPhases } from './status.js';

/** A group's status as a Markdown page for the Temporal UI. */
export function renderGroupDetails(status: GroupStatus): string {
  const { source, target, namespaces, phase, paused } = status;
  return [
    `## ${source}: ${namespaces.map((each) => `\`${each}\``).join(', ')} → ${target}`,
    `**${phase}**${paused ? ' (paused)' : ''}`,
    ...status.problems.map(({ namespace, what, todo }) => {
      const whose = namespace === undefined ? '' : `\`${namespace}\`: `;
      return `> **Problem:** ${whose}${what}. ${todo}.`;
    }),
    phaseTable(status),
    counters(status),
    ...blockers(status),
    ...slowest(status),
    ...lists(status),
    ...status.warnings.map((warning) => `> Warning: ${warning}`),
    ...status.rejectedMessages.map(({ at, message }) => `> Not understood (${at}): ${message}`),
    status.waitingFor === null ? '' : `**Next:** it waits for ${status.waitingFor}.`,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function phaseTable({ counts }: GroupStatus): string {
  const rows = memberPhases.flatMap((phase) => {
    const count = counts[phase];
    return count === undefined ? [] : [`| ${phase} | ${number(count)} |`];
  });
  return ['| Phase | Collections |', '|---|---|', ...rows, `| all | ${number(counts.all)} |`].join(
    '\n',
  );
}

function counters(status: GroupStatus): string {
  const { copied, total, copiedPercent, lagSeconds, etaSeconds, cutover, phase } = status;
  const rows: [string, string][] = [];
  if (!isFinal(phase)) {
    const part = copiedPercent === null ? '' : ` (${copiedPercent} %)`;
    rows.push(['Copied', `${number(copied.documents)} of ${number(total.documents)}${part}`]);
    rows.push(['Largest lag', lagSeconds === null ? 'not known yet' : `${lagSeconds} s`]);
    rows.push(['Captured', `${number(status.eventsPerSecond)} events/s`]);
    rows.push(['Applied', `${number(status.changesPerSecond)} changes/s`]);
  }
  if (etaSeconds !== null) rows.push(['Copied in about', `${number(etaSeconds)} s`]);
  rows.push(...plannedRows(status));
  if (cutover) {
    rows.push(['Cut over together', `${number(cutover.collections)} collections`]);
    rows.push(['Open for applications since', cutover.openedAt]);
    rows.push(['Downtime', `${cutover.downtimeMs} ms`]);
  }
  if (rows.length === 0) return '';
  return pairTable(rows);
}

function blockers({ phase, mayCutOver, blockers: reasons, lastRefusal }: GroupStatus): string[] {
  if (isFinal(phase)) return [];
  if (mayCutOver) return ['**May they cut over? Yes.**'];
  const list = reasons.map(({ namespace, code, message }) => {
    const whose = namespace === undefined ? '' : `\`${namespace}\`: `;
    return `- ${whose}${message} (\`${code}\`)`;
  });
  const last = lastRefusal
    ? [
        `The cutover asked for at ${lastRefusal.at} was refused: ${lastRefusal.blockers.map(({ message }) => message).join('; ')}`,
      ]
    : [];
  return [`**May they cut over? No, because:**\n\n${list.join('\n')}`, ...last];
}

function slowest({ slowest: lines }: GroupStatus): string[] {
  if (lines.length === 0) return [];
  const rows = lines.map(
    ({ namespace, phase, copiedPercent, lagSeconds }) =>
      `| \`${namespace}\` | ${phase} | ${copiedPercent === null ? '' : `${copiedPercent} %`} | ${lagSeconds === null ? '' : `${lagSeconds} s`} |`,
  );
  return [['| Least far | Phase | Copied | Lag |', '|---|---|---|---|', ...rows].join('\n')];
}

function lists({ leftOut, appeared }: GroupStatus): string[] {
  const left = leftOut.first.map(({ namespace, why }) => `- \`${namespace}\` ${why}`);
  const come = appeared.first.map((namespace) => `- \`${namespace}\``);
  return [
    ...(left.length > 0 ? [`Left out (${leftOut.count}):\n\n${left.join('\n')}`] : []),
    ...(come.length > 0
      ? [`Appeared since, and not taken up (${appeared.count}):\n\n${come.join('\n')}`]
      : []),
  ];
}
