import { workflowId } from '../../names.js';
import { firstOf } from '../../shorten.js';
import { lastRefusalLine, limitRows, plannedRows } from '../details.js';
import { duration, historyLeft, nextLine, number, pairTable, plain, table } from '../markdown.js';
import { isFinal } from '../phases.js';
import { leastFarFirst } from './least-far.js';
import { memberPhases } from './lines.js';
import type { GroupStatus } from './status.js';

/** Collections that have a line: the page goes through a URL, and is to be read. */
const SHOWN = 20;

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
    nextLine(status.waitingFor),
    ...collections(status),
    ...lists(status),
    ...status.afterwards.first.map(
      ({ namespace, what }) => `> **Look at** \`${namespace}\`: ${what.join('; ')}`,
    ),
    ...status.warnings.map((warning) => `> Warning: ${warning}`),
    ...status.rejectedMessages.map(({ at, message }) => `> Not understood (${at}): ${message}`),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function phaseTable({ counts }: GroupStatus): string {
  const rows = memberPhases.flatMap((phase) => {
    const count = counts[phase];
    return count === undefined ? [] : [[phase, number(count)]];
  });
  return table(['Phase', '>Collections'], [...rows, ['all', number(counts.all)]]);
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
    const { state, documents, differing } = status.verification;
    if (state !== 'none') {
      const differ = differing ? `, ${number(differing)} differ` : '';
      rows.push(['Compared', `${number(documents)} documents (${state})${differ}`]);
    }
    const { oplogHoursLeft: hours } = status;
    if (hours !== null) rows.push(['History left', historyLeft(hours)]);
  }
  if (etaSeconds) rows.push(['Copied in about', duration(etaSeconds)]);
  if (!isFinal(phase) && copiedPercent !== 100) {
    rows.push(['Copied at once', `${number(status.settings.parallelCopies)} collections`]);
  }
  rows.push(...limitRows(status), ...plannedRows(status), ...leaveRows(status));
  if (cutover) {
    rows.push(['Cut over together', `${number(cutover.collections)} collections`]);
    rows.push(['Open for applications since', cutover.openedAt]);
    rows.push(['Downtime', `${number(cutover.downtimeMs)} ms`]);
  }
  if (rows.length === 0) return '';
  return pairTable(rows);
}

/** What the planned cutover leaves as it is. */
function leaveRows({ cutoverLeave: left }: GroupStatus): [string, string][] {
  return left ? [['It leaves', firstOf(left.first, SHOWN, left.count)]] : [];
}

function blockers({ phase, mayCutOver, blockers: reasons, lastRefusal }: GroupStatus): string[] {
  if (isFinal(phase)) return [];
  const last = lastRefusalLine(lastRefusal);
  if (mayCutOver) return ['**May they cut over? Yes.**', ...last];
  const list = reasons.map(({ namespace, code, message }) => {
    const whose = namespace === undefined ? '' : `\`${namespace}\`: `;
    return `- ${whose}${message} (\`${code}\`)`;
  });
  return [`**May they cut over? No, because:**\n\n${list.join('\n')}`, ...last];
}

/** Those that are least far, each with a link to its own page. */
function collections({ source, slowest, collections: all, counts }: GroupStatus): string[] {
  if (counts.all === 0) return [];
  // All of them do not find room in the status where they are very many; the slowest always do.
  const least = new Set(slowest.map(({ namespace }) => namespace));
  const others = all.filter(({ namespace }) => !least.has(namespace));
  const shown = leastFarFirst([...slowest, ...others]).slice(0, SHOWN);
  const isFollowed = shown.some(({ lagSeconds }) => lagSeconds !== null);
  const rows = shown.map(({ namespace, phase, copiedPercent, lagSeconds }) => [
    `[${plain(namespace)}](${pageOf(source, namespace)})`,
    phase,
    copiedPercent === null ? '' : `${copiedPercent} %`,
    ...(isFollowed ? [lagSeconds === null ? '' : `${lagSeconds} s`] : []),
  ]);
  const more = counts.all - shown.length;
  return [
    table(['Collection', 'Phase', '>Copied', ...(isFollowed ? ['>Lag'] : [])], rows),
    ...(more > 0 ? [`And ${number(more)} more, all of them under **Relationships**.`] : []),
  ];
}

/** The UI puts in the name of Temporal's namespace. */
function pageOf(source: string, namespace: string): string {
  const id = encodeURIComponent(workflowId(source, namespace));
  return `/namespaces/{namespace}/workflows/${id.replaceAll('(', '%28').replaceAll(')', '%29')}`;
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
