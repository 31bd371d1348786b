import { countDifferences } from '../blockers.js';
import type { ComparisonReport } from '../comparison.js';
import { count, duration, number } from './format.js';
import { gauge, renderUnanswered, row, type Screen } from './render-migration.js';
import type { ComparisonView } from './view.js';

/** A comparison as lines. */
export function renderComparison(view: ComparisonView, screen: Screen): string[] {
  const { status, failure } = view;
  if (!status) return renderUnanswered(view, screen);
  const { colors } = screen;
  const { source, namespace, target, targetNamespace, report, compared, total, percent } = status;
  const pair = `${source}:${namespace} = ${target}:${targetNamespace}`;
  const rate = status.documentsPerSecond === null ? '' : `, ${number(status.documentsPerSecond)}/s`;
  const left = status.etaSeconds === null ? '' : `, ${duration(status.etaSeconds)} left`;
  const ofTotal = total === null || report ? '' : ` of ${number(total)}`;
  const problem = failure ?? (status.problem && `${status.problem.what}; ${status.problem.todo}`);
  return [
    `${colors.bold(pair)}  ${verdict(view, screen)}`,
    ...row(
      'compare',
      `${gauge((percent ?? 0) / 100, screen)}${number(compared.source.documents)}${ofTotal} documents at the source, ` +
        `${number(compared.target.documents)} at the target${rate}${left}`,
    ),
    ...row(
      'found',
      `${number(status.differing)} differing, ${number(status.missing)} missing, ${number(status.extra)} extra at the target` +
        (status.unsettled > 0 ? `, ${number(status.unsettled)} changing all the time` : '') +
        (status.open > 0 ? `; ${number(status.open)} are looked at again` : ''),
    ),
    ...(report ? differences(report) : []),
    ...(problem ? row('problem', colors.red(problem)) : []),
  ];
}

function verdict({ status, state }: ComparisonView, { colors }: Screen): string {
  const report = status?.report;
  if (report) return report.equal ? colors.green('equal') : colors.red('not equal');
  return state === 'running' ? colors.cyan(status?.phase ?? state) : colors.red(state);
}

function differences(report: ComparisonReport): string[] {
  const shapes = (what: string, all: ComparisonReport['indexDifferences']) =>
    all.flatMap(({ name, source, target }) =>
      row(what, `${name}: ${source} at the source, ${target} at the target`),
    );
  const found = countDifferences(report);
  const more = found - report.first.length;
  return [
    ...shapes('index', report.indexDifferences),
    ...shapes('option', report.optionDifferences),
    ...report.first.flatMap(({ id, kind, field, what }) =>
      row(
        kind,
        `${id}${field === undefined ? '' : `: ${field}`}${what === undefined ? '' : `, ${what}`}`,
      ),
    ),
    ...(more > 0 ? row('', `and ${count(more, 'more document')}`) : []),
  ];
}
