import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parser } from '@prometheus-io/lezer-promql';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { definitions, LABELS, METRIC_PHASES } from '../../src/metrics/definitions.js';
import { literally } from '../../src/names.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(`${ROOT}${path}`, 'utf8');
const all = Object.values(definitions);

/** Labels that a query may name, of metrics of ours and of Prometheus itself. */
const ownLabels = all.flatMap(({ labels }) => labels);
const labels: readonly string[] = [...LABELS, ...ownLabels, 'job', 'instance'];

const texts = z.strictObject({ summary: z.string(), description: z.string() });
const duration = z.string().regex(/^\d+[smhd]$/);
const rulesFile = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      interval: duration.optional(),
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^Csm[A-Z]\w+$/),
          expr: z.string(),
          for: duration.optional(),
          labels: z.strictObject({ severity: z.enum(['warning', 'critical']) }),
          annotations: texts,
        }),
      ),
    }),
  ),
});
const rules = rulesFile
  .parse(parse(read('monitoring/prometheus/rules.yml')))
  .groups.flatMap((group) => group.rules);

const ruleTests = z.object({
  tests: z.array(
    z.object({
      alert_rule_test: z.array(
        z.strictObject({
          eval_time: duration,
          alertname: z.string(),
          exp_alerts: z.array(
            z.strictObject({
              exp_labels: z.looseObject({ severity: z.string() }),
              exp_annotations: texts,
            }),
          ),
        }),
      ),
    }),
  ),
});

/** What a text of an alert may become. */
function templateOf(text: string): RegExp {
  // What stands between "with" and "end" may be missing.
  const parts = text.split(/\{\{ with .*\{\{ end \}\}|\{\{.*?\}\}/);
  return new RegExp(`^${parts.map(literally).join('.*')}$`);
}

const dataSource = z.strictObject({ type: z.literal('prometheus'), uid: z.string() });
const grid = z.number().int().min(0);
const dashboard = z
  .object({
    uid: z.string().max(40),
    title: z.string(),
    schemaVersion: z.number().int().min(36),
    templating: z.object({
      list: z.array(z.looseObject({ name: z.string(), type: z.string() })),
    }),
    panels: z.array(
      z.object({
        id: z.number().int(),
        type: z.enum(['timeseries', 'stat', 'state-timeline']),
        title: z.string().min(1),
        gridPos: z.strictObject({ h: grid, w: grid.max(24), x: grid.max(23), y: grid }),
        datasource: dataSource,
        fieldConfig: z.object({
          defaults: z.object({ unit: z.string() }),
          overrides: z.array(z.unknown()),
        }),
        targets: z
          .array(
            z.strictObject({
              refId: z.string(),
              expr: z.string(),
              legendFormat: z.string(),
              datasource: dataSource,
            }),
          )
          .min(1),
      }),
    ),
  })
  .parse(JSON.parse(read('monitoring/grafana/dashboards/migrations.json')));
const targets = dashboard.panels.flatMap(({ title, targets: queries }) =>
  queries.map(({ expr, legendFormat }) => ({ name: title, expr, legendFormat })),
);

const queries: readonly (readonly [string, string])[] = [
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
  ...targets.map(({ name, expr }) => [name, expr] as const),
];

/** What a query names, by Prometheus' own grammar; where it does not follow it. */
function namesIn(query: string) {
  // What Grafana puts in before it asks.
  const text = query.replaceAll('$__rate_interval', '5m').replaceAll(/\$\w+/g, 'x');
  const found = { metrics: [] as string[], labels: [] as string[], mistakes: [] as string[] };
  parser.parse(text).iterate({
    enter: ({ type, name, from, to, node }) => {
      const word = text.slice(from, to);
      if (type.isError) found.mistakes.push(`at ${from}: ${text.slice(from, from + 20)}`);
      if (name === 'Identifier' && node.parent?.name === 'VectorSelector') found.metrics.push(word);
      if (name === 'LabelName') found.labels.push(word);
    },
  });
  return found;
}

describe.each(queries)('the query of %s', (_, query) => {
  it('follows the grammar, and names metrics and labels that there are', () => {
    const { mistakes, ...named } = namesIn(query);
    expect(mistakes).toEqual([]);
    expect(named.metrics.length).toBeGreaterThan(0);
    const known: readonly string[] = [...all.map((metric) => metric.name), 'up'];
    for (const metric of named.metrics) expect(known).toContain(metric);
    for (const label of named.labels) expect(labels).toContain(label);
  });

  it('takes rates of counters alone', () => {
    const rated = [...query.matchAll(/\b(?:rate|increase)\((csm_\w+)/g)].map(([, name]) => name);
    const counters: readonly string[] = all
      .filter(({ type }) => type === 'counter')
      .map(({ name }) => name);
    for (const name of rated) expect(counters).toContain(name);
  });

  it('looks for phases and steps that there are', () => {
    const phases: readonly string[] = [...METRIC_PHASES, 'completed', 'aborted', 'failed'];
    for (const [, phase = ''] of query.matchAll(/phase="(\w+)"/g)) expect(phases).toContain(phase);
    const steps = [...query.matchAll(/step=~?"([\w|]+)"/g)].flatMap(([, text = '']) =>
      text.split('|'),
    );
    const index = read('src/activities/index.ts');
    for (const step of steps) expect(index).toMatch(new RegExp(`^    ${step}: \\(`, 'm'));
  });
});

it('a mistake in a query is found', () => {
  expect(namesIn('max by (source) (csm_lag_seconds').mistakes).not.toEqual([]);
  expect(namesIn('sum(rate(csm_lag_seconds[5m])) >').mistakes).not.toEqual([]);
  expect(namesIn('csm_nothing{x="1"}')).toEqual({ metrics: ['csm_nothing'], labels: ['x'], mistakes: [] }); // prettier-ignore
});

describe('monitoring/prometheus', () => {
  const config = z
    .object({
      rule_files: z.array(z.string()),
      scrape_configs: z.array(
        z.object({
          job_name: z.string(),
          static_configs: z.array(z.object({ targets: z.array(z.string()) })),
        }),
      ),
    })
    .parse(parse(read('monitoring/prometheus/prometheus.yml')));

  it('loads the rules, and asks the worker under the name that they know', () => {
    expect(config.rule_files).toEqual(['/etc/prometheus/rules.yml']);
    const [job] = config.scrape_configs;
    expect(job?.job_name).toBe('changestream-migration');
    expect(job?.static_configs[0]?.targets).toEqual(['worker:9464']);
    const jobs = rules.flatMap(({ expr }) => [...expr.matchAll(/job="([^"]+)"/g)]);
    for (const [, name] of jobs) expect(name).toBe(job?.job_name);
  });

  it('tests each alert, by the words that it says', () => {
    const { tests } = ruleTests.parse(parse(read('monitoring/prometheus/rules.test.yml')));
    const cases = tests.flatMap((each) => each.alert_rule_test);
    const firing = cases.filter(({ exp_alerts: alerts }) => alerts.length > 0);
    expect(new Set(firing.map(({ alertname }) => alertname))).toEqual(
      new Set(rules.map(({ alert }) => alert)),
    );
    for (const { alertname, exp_alerts: alerts } of cases) {
      const rule = rules.find(({ alert }) => alert === alertname);
      for (const {
        exp_labels: { severity },
        exp_annotations: said,
      } of alerts) {
        expect(severity).toBe(rule?.labels.severity);
        expect(said.summary).toMatch(templateOf(rule?.annotations.summary ?? ''));
        expect(said.description).toMatch(templateOf(rule?.annotations.description ?? ''));
      }
    }
  });

  it('says in each alert only what the query keeps', () => {
    for (const { expr, annotations } of rules) {
      const used = [
        ...Object.values(annotations)
          .join(' ')
          .matchAll(/\$labels\.(\w+)/g),
      ];
      for (const [, label = ''] of used) {
        const kept = [...expr.matchAll(/\bby \(([^)]*)\)/g)].map(([, by = '']) => by.split(', '));
        if (kept.length === 0) expect(['instance', 'job']).toContain(label);
        else expect(kept[0]).toContain(label);
      }
    }
  });
});

describe('monitoring/grafana', () => {
  it('shows every metric but what the bytes of the source add', () => {
    const shown = new Set(targets.flatMap(({ expr }) => namesIn(expr).metrics));
    const hidden = all.filter(({ name }) => !shown.has(name)).map(({ name }) => name);
    expect(hidden).toEqual(['csm_source_bytes', 'csm_verified_bytes_total']);
  });

  it('asks only for variables that it has, and labels that its queries keep', () => {
    const variables = dashboard.templating.list.map(({ name }) => name);
    for (const { expr, legendFormat } of targets) {
      for (const [, name = ''] of expr.matchAll(/\$(\w+)/g)) {
        expect([...variables, '__rate_interval']).toContain(name);
      }
      const [, by = 'instance'] = /\bby \(([^)]*)\)/.exec(expr) ?? [];
      for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
        expect(by.split(', ')).toContain(label);
      }
    }
  });

  it('drops gauges of migrations that are over, which are NaN', () => {
    const gauges = all.filter(({ type }) => type === 'gauge').map(({ name }) => name);
    for (const { expr } of targets) {
      if (gauges.some((name) => expr.includes(name))) expect(expr).toMatch(/ (>= 0|> 0|== 1)$/);
    }
  });

  it('has one id per panel, and panels that do not overlap', () => {
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from(
        { length: w * h },
        (_, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`,
      ),
    );
    expect(new Set(cells).size).toBe(cells.length);
  });

  it('is provisioned from where it is mounted', () => {
    const compose = read('docker-compose.yml');
    const { providers } = z
      .object({ providers: z.array(z.object({ options: z.object({ path: z.string() }) })) })
      .parse(parse(read('monitoring/grafana/provisioning/dashboards/migrations.yml')));
    for (const { options } of providers) {
      expect(compose).toContain(`./monitoring/grafana/dashboards:${options.path}:ro`);
    }
    const variable = dashboard.templating.list.find(({ type }) => type === 'datasource');
    expect(variable).toMatchObject({ current: { value: 'prometheus' } });
    expect(read('monitoring/grafana/provisioning/datasources/prometheus.yml')).toContain(
      'uid: prometheus',
    );
  });
});
