import { duration, number, pairTable } from './markdown.js';
import type { VerifyStatus } from './verify-status.js';

/** The status of a comparison as a Markdown page for the Temporal UI. */
export function renderVerifyDetails(status: VerifyStatus): string {
  const { source, namespace, target, targetNamespace, problem } = status;
  return [
    `## ${source}:${namespace} = ${target}:${targetNamespace}?`,
    headline(status),
    problem ? `> **Problem:** ${problem.what}. ${problem.todo}.` : '',
    counters(status),
    ...differences(status),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function headline({ phase, report, doing }: VerifyStatus): string {
  if (report) return report.equal ? '**Equal.**' : '**Not equal.**';
  return `**${phase}**${doing === null ? '' : `: ${doing}`}`;
}

function counters(status: VerifyStatus): string {
  const { compared, total, percent, documentsPerSecond, etaSeconds } = status;
  const rows: [string, string][] = [
    ['Source', `${number(compared.source.documents)} documents${ofTotal(total, percent)}`],
    ['Target', `${number(compared.target.documents)} documents`],
    ['Differing', number(status.differing)],
    ['Missing at the target', number(status.missing)],
    ['Extra at the target', number(status.extra)],
  ];
  if (status.unsettled > 0)
    rows.push(['Changing all the time, not settled', number(status.unsettled)]);
  if (documentsPerSecond !== null) rows.push(['Speed', `${number(documentsPerSecond)}/s`]);
  if (etaSeconds !== null) rows.push(['Done in about', duration(etaSeconds)]);
  return pairTable(rows);
}

function differences({ report }: VerifyStatus): string[] {
  if (!report || report.equal) return [];
  const shapes = [
    ...report.indexDifferences.map(({ name }) => `- index \`${name}\``),
    ...report.optionDifferences.map(({ name }) => `- option \`${name}\``),
  ];
  const documents = report.first.map(({ id, kind, field, what }) => {
    const where =
      field === undefined ? '' : `: \`${field}\`${what === undefined ? '' : `, ${what}`}`;
    return `- \`${id}\` ${kind}${where}`;
  });
  return [[...shapes, ...documents].join('\n')];
}

function ofTotal(total: number | null, percent: number | null): string {
  return total === null || percent === null ? '' : ` of ${number(total)} (${percent} %)`;
}
