import { existsSync, readdirSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfiguration } from '../../src/configuration.js';
import { errorTypes } from '../../src/errors.js';
import { migrateCollectionsInput } from '../../src/group-options.js';
import { definitions } from '../../src/metrics/definitions.js';
import {
  abortInput,
  cutoverInput,
  emptyInput,
  migrateCollectionInput,
  parseInput,
  verifyCollectionInput,
} from '../../src/options.js';
import { TASK_QUEUE } from '../../src/names.js';
import { tuneInput } from '../../src/tuning.js';
import { forcible } from '../../src/blockers.js';
import * as workflows from '../../src/workflows/index.js';
import { groupMessageNames } from '../../src/workflows/group/messages.js';
import { initialGroup } from '../../src/workflows/group/state.js';
import { buildGroupStatus } from '../../src/workflows/group/status.js';
import { descriptions, signals } from '../../src/workflows/messages.js';
import { buildVerifyStatus } from '../../src/workflows/verify-status.js';
import {
  commandsOf,
  exists,
  linksOf,
  pages,
  read,
  ROOT,
  sectionOf,
  tableBelow,
} from '../helpers/documentation.js';
import { comparisonReport, inspection } from '../helpers/fake-activities.js';
import { casesAlone } from '../faults/alone/index.js';
import { faultsDuring } from '../faults/during/index.js';
import { initialState, buildStatus, type MigrationStatus } from '../../src/workflows/status.js';

describe.each(pages)('%s', (page) => {
  it('links to files and headings that exist', () => {
    const broken = linksOf(read(page)).filter((link) => !exists(page, link));
    expect(broken).toEqual([]);
  });

  it('gives JSON that the code takes', () => {
    for (const { message, text } of payloadsOf(read(page))) {
      const schema = schemaOf(message);
      expect(
        parseInput(schema, JSON.parse(text), message),
        `${message} ${text}`,
      ).not.toHaveProperty('error');
    }
  });

  it('never starts a workflow without --fail-existing', () => {
    const starts = commandsOf(read(page)).filter((line) => line.includes('workflow start'));
    expect(starts.filter((line) => !line.includes('--fail-existing'))).toEqual([]);
  });
});

describe('README.md', () => {
  const readme = read('README.md');

  it('stays short', () => {
    expect(readme.split('\n').length).toBeLessThanOrEqual(280);
  });

  it('leads to every page', () => {
    const linked = new Set(linksOf(readme).map((link) => link.split('#')[0]));
    expect(pages.filter((page) => page !== 'README.md' && !linked.has(page))).toEqual([]);
  });

  it('names options that there are', () => {
    const names = tableBelow(readme, 'Options').map(
      ([cell = '']) => /^`(\w+)/.exec(cell)?.[1] ?? cell,
    );
    expect(names.length).toBeGreaterThan(3);
    const known = Object.keys(migrateCollectionInput.shape);
    expect(names.filter((name) => !known.includes(name))).toEqual([]);
  });

  it('names every signal', () => {
    const section = sectionOf(readme, 'While it runs');
    for (const name of Object.keys(signals)) expect(section).toContain(`\`${name}\``);
  });

  it('names errors that there are', () => {
    const rows = tableBelow(readme, 'When things break').map(([, how = '']) => how);
    const types = rows.map((how) => /`(\w+)`/.exec(how)?.[1]);
    expect(types.length).toBeGreaterThan(2);
    const known: readonly string[] = Object.values(errorTypes);
    expect(types.filter((type) => type === undefined || !known.includes(type))).toEqual([]);
  });
});

describe('docs/options.md', () => {
  const page = read('docs/options.md');

  it('lists every workflow', () => {
    const names = tableBelow(page, 'Names').map(([name = '']) => name.replaceAll('`', ''));
    expect(names.toSorted()).toEqual(
      Object.keys(workflows)
        .filter((name) => name !== 'default')
        .toSorted(),
    );
    expect(sectionOf(page, 'Names')).toContain(`\`${TASK_QUEUE}\``);
  });

  it('lists every option with its default', () => {
    const rows = tableBelow(page, 'Options');
    expect(rows.map(([name]) => name)).toEqual(
      Object.keys(migrateCollectionInput.shape).map((name) => `\`${name}\``),
    );
    const defaults: Record<string, unknown> = migrateCollectionInput.parse({
      source: 'a',
      target: 'b',
      namespace: 'c.d',
    });
    for (const [name = '', documented = ''] of rows) {
      const value = defaults[name.replaceAll('`', '')];
      const isGiven = ['`source`', '`target`', '`namespace`'].includes(name);
      if (isGiven) expect(documented).toBe('required');
      else if (name === '`targetNamespace`') expect(documented).toBe('`namespace`');
      else if (value === undefined) expect(documented).toBe('no limit');
      else expect(documented.replaceAll('`', '')).toBe(JSON.stringify(value));
    }
  });

  it('lists every signal', () => {
    const rows = tableBelow(page, 'Signals and updates');
    expect(new Set(rows.map(([name]) => name))).toEqual(
      new Set(Object.keys(signals).map((name) => `\`${name}\``)),
    );
  });

  it("lists every setting of the worker, with the code's defaults", () => {
    const section = sectionOf(page, "The worker's settings");
    const env = { MONGODB_URI_A: 'mongodb://host/', CSM_NOTHING: 'x' };
    const configuration = readConfiguration(env, { terminal: false });
    const [, known = ''] = /known: ([^)]*)/.exec(configuration.warnings[0] ?? '') ?? [];
    expect(known.split(', ').length).toBeGreaterThan(5);
    const own = [...read('src/configuration.ts').matchAll(/'([A-Z]+(?:_[A-Z]+)+)'/g)];
    expect(own.length).toBeGreaterThan(10);
    for (const name of [...known.split(', '), ...own.map(([, each]) => each)]) {
      expect(section).toContain(`\`${name}\``);
    }
    const defaults = new Map(
      tableBelow(page, "The worker's settings").map(([name = '', value = '']) => [name, value]),
    );
    const { maxActivities, shutdownGraceSeconds, tools, logLevel, logFormat } = configuration;
    expect(defaults.get('`CSM_MAX_ACTIVITIES`')).toBe(String(maxActivities));
    expect(defaults.get('`CSM_SHUTDOWN_GRACE_SECONDS`')).toBe(String(shutdownGraceSeconds));
    expect(defaults.get('`CSM_TOOLS`')).toBe(`\`${tools}\``);
    expect(defaults.get('`CSM_LOG_LEVEL`, `CSM_LOG_FORMAT`')).toContain(
      `\`${logLevel}\`, \`${logFormat}\``,
    );
  });

  it('says what may be forced', () => {
    for (const code of forcible) {
      expect(sectionOf(page, 'Signals and updates')).toContain(`\`${code}\``);
    }
  });
});

describe('docs/errors.md', () => {
  const errors = read('docs/errors.md');

  it.each(Object.values(errorTypes))('explains %s', (type) => {
    expect(sectionOf(errors, type).length).toBeGreaterThan(100);
    expect(errors).toContain(`| [\`${type}\`](#${type.toLowerCase()})`);
  });
});

describe('docs/exactness.md', () => {
  it('names tests that exist', () => {
    const rows = tableBelow(read('docs/exactness.md'), 'What would break it');
    expect(rows.length).toBeGreaterThan(20);
    const missing = rows.filter((row) => {
      const [, file = '', title = ''] = /^`(.+?)`: (.+)$/.exec(row[2] ?? '') ?? [];
      return file === '' || !existsSync(join(ROOT, file)) || !read(file).includes(title);
    });
    expect(missing).toEqual([]);
  });
});

describe('docs/reliability.md', () => {
  const faults = { ...faultsDuring, ...casesAlone };
  const rows = ['It goes on by itself', 'It ends'].flatMap((title) =>
    tableBelow(read('docs/reliability.md'), title),
  );

  it('names faults and tests that exist', () => {
    expect(rows.length).toBeGreaterThan(25);
    const missing = rows.flatMap(([, , , cell = '']) =>
      cell.split(/, (?=`)/).filter((each) => !isThere(each)),
    );
    expect(missing).toEqual([]);
  });

  it('has every fault of the suite', () => {
    const named = rows.map(([, , , cell]) => cell).join(' ');
    expect(Object.keys(faults).filter((name) => !named.includes(`\`${name}\``))).toEqual([]);
  });

  /** Whether it is a fault, or a file and a part of a title in it. */
  function isThere(proof: string): boolean {
    const [, name = '', title] = /^`([^`]+)`(?:: (.+))?$/.exec(proof) ?? [];
    if (title === undefined) return name in faults;
    return existsSync(join(ROOT, name)) && read(name).includes(title);
  }
});

describe('SECURITY.md', () => {
  it('names files that exist', () => {
    const named = [...read('SECURITY.md').matchAll(/`(test\/[^`]+)`/g)].map(
      ([, path = '']) => path,
    );
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});

describe('docs/status.md', () => {
  const page = read('docs/status.md');
  const options = migrateCollectionInput.parse({ source: 'a', target: 'b', namespace: 'c.d' });
  const status = buildStatus(initialState('2026-01-01T00:00:00.000Z'), {
    options: { ...options, targetNamespace: options.namespace },
  });

  it('explains every field', () => {
    const documented = tableBelow(page, 'Fields').flatMap(([names = '']) => names.split(', '));
    expect(documented.toSorted()).toEqual(
      Object.keys(status)
        .map((name) => `\`${name}\``)
        .toSorted(),
    );
  });

  it('explains every phase', () => {
    const documented = tableBelow(page, 'Phases').map(([name = '']) => name.replaceAll('`', ''));
    const phases: Record<MigrationStatus['phase'], true> = {
      preflight: true,
      copying: true,
      waiting: true,
      replaying: true,
      ready: true,
      cuttingOver: true,
      completed: true,
      aborted: true,
      failed: true,
    };
    expect(documented).toEqual(Object.keys(phases));
  });

  it('explains every blocker that the code knows, and which can be forced', () => {
    const rows = tableBelow(page, 'Blockers').map((row) =>
      row.map((cell) => cell.replaceAll('`', '')),
    );
    const code = [
      'blockers.ts',
      'workflows/blockers.ts',
      'workflows/inbox.ts',
      'workflows/cutover-planner.ts',
      'activities/planned-cutover.ts',
      'activities/collection-cutover.ts',
      'activities/cutover-blockers.ts',
    ]
      .map((file) => read(`src/${file}`))
      .join('\n');
    const codes = [...code.matchAll(/(?:code: |\badd\()'(\w+)'/g)].map(([, name]) => name);
    expect(new Set(rows.map(([name]) => name))).toEqual(new Set(codes));
    const forced = rows.filter(([, , yes]) => yes === 'yes').map(([name]) => name);
    expect(new Set(forced)).toEqual(new Set(forcible));
  });
});

describe('docs/collections.md', () => {
  const page = read('docs/collections.md');
  const options = migrateCollectionsInput.parse({
    source: 'a',
    target: 'b',
    namespaces: ['shop.*'],
  });

  it('explains every option that is not that of one collection', () => {
    const documented = tableBelow(page, 'Input').map(([name = '']) => name.replaceAll('`', ''));
    const ofOne = Object.keys(migrateCollectionInput.shape);
    const own = Object.keys(migrateCollectionsInput.shape).filter(
      (name) => !ofOne.includes(name) || documented.includes(name),
    );
    expect(new Set(documented)).toEqual(new Set(own));
  });

  it('explains every field of the status', () => {
    const status = buildGroupStatus(initialGroup('2026-01-01T00:00:00.000Z', undefined), {
      options,
    });
    const documented = tableBelow(page, 'Status').flatMap(([names = '']) => names.split(', '));
    expect(documented.toSorted()).toEqual(
      Object.keys(status)
        .map((name) => `\`${name}\``)
        .toSorted(),
    );
  });

  it('explains every message', () => {
    const documented = tableBelow(page, 'While it runs').flatMap(([names = '']) =>
      names.replaceAll('`', '').split(', '),
    );
    expect(documented.toSorted()).toEqual([...groupMessageNames].toSorted());
  });

  it('explains every blocker of its own', () => {
    const known = tableBelow(read('docs/status.md'), 'Blockers').map(([name]) => name);
    const rows = tableBelow(page, 'Blockers').map(([name = '']) => name);
    const code = [
      'activities/group/cutover-together.ts',
      'workflows/group/blockers.ts',
      'workflows/group/cutovers.ts',
      'workflows/group/status.ts',
    ]
      .map((file) => read(`src/${file}`))
      .join('\n');
    const codes = [...code.matchAll(/(?:code: |\badd\(|\bof\()'(\w+)'/g)].map(
      ([, name]) => `\`${name}\``,
    );
    const own = codes.filter((name) => !known.includes(name));
    expect(new Set(rows)).toEqual(new Set(own));
  });
});

describe('docs/verification.md', () => {
  const page = read('docs/verification.md');
  const options = { source: 'a', target: 'b', namespace: 'c.d', targetNamespace: 'c.d' };
  const status = buildVerifyStatus({ phase: 'comparing', startedAt: '' }, { options });

  it.each([
    ['Options', Object.keys(verifyCollectionInput.shape)],
    ['Status', Object.keys(status)],
    ['Report', Object.keys(comparisonReport)],
  ])('explains every field under %s', (section, names) => {
    const documented = tableBelow(page, section).flatMap(([cell = '']) => cell.split(', '));
    expect(documented.toSorted()).toEqual(names.map((name) => `\`${name}\``).toSorted());
  });
});

describe('docs/preflight.md', () => {
  const page = read('docs/preflight.md');

  it('explains every code of a finding', () => {
    const code = readdirSync(join(ROOT, 'src/preflight'))
      .map((name) => read(`src/preflight/${name}`))
      .join('\n');
    const codes = [...code.matchAll(/findings\.(?:error|warn)\(\s*'(\w+)'/g)].map(
      ([, name]) => name,
    );
    expect(codes.length).toBeGreaterThan(20);
    for (const name of codes) expect(page).toContain(`\`${name}\``);
  });

  it('explains every field of the answer', () => {
    const documented = tableBelow(page, 'Answer').flatMap(([cell = '']) => cell.split(', '));
    for (const name of Object.keys(inspection)) expect(documented).toContain(`\`${name}\``);
  });
});

describe('docs/monitoring.md', () => {
  const page = read('docs/monitoring.md');

  it('explains every metric, with its type and labels', () => {
    const documented = tableBelow(page, 'Metrics').map(([name, type, labels = '']) => ({
      name,
      type,
      labels: labels === '' ? [] : labels.split(', '),
    }));
    expect(documented).toEqual(
      Object.values(definitions).map(({ name, type, labels }) => ({
        name: `\`${name}\``,
        type,
        labels: labels.map((label) => `\`${label}\``),
      })),
    );
  });

  it('says of every alert what to do', () => {
    const rules = [...read('monitoring/prometheus/rules.yml').matchAll(/- alert: (\w+)/g)];
    const documented = tableBelow(page, 'Alerts').map(([name]) => name);
    expect(rules.length).toBeGreaterThan(10);
    expect(documented).toEqual(rules.map(([, name]) => `\`${name}\``));
  });
});

describe('LICENSE', () => {
  it('is the Apache License 2.0, word for word', () => {
    expect(createHash('sha256').update(read('LICENSE')).digest('hex')).toBe(
      'cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30',
    );
  });
});

interface Payload {
  /** `migrateCollection`, or the name of a signal. */
  readonly message: string;
  readonly text: string;
}

/** What commands and JSON blocks send. */
function payloadsOf(markdown: string): Payload[] {
  const sent = commandsOf(markdown).flatMap((line): Payload[] => {
    const [, text] = /--input '([^']*)'/.exec(line) ?? [];
    const [, message] = /--(?:type|name) (\w+)/.exec(line) ?? [];
    return text !== undefined && message !== undefined ? [{ message, text }] : [];
  });
  const blocks = [...markdown.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(
    ([, text = '']): Payload => ({ message: 'migrateCollection', text }),
  );
  return [...sent, ...blocks];
}

function schemaOf(message: string) {
  if (message === 'migrateCollection' || message === 'preflight') return migrateCollectionInput;
  if (message === 'migrateCollections') return migrateCollectionsInput;
  if (message === 'verifyCollection') return verifyCollectionInput;
  if (message === 'abort') return abortInput;
  if (message === 'cutover') return cutoverInput;
  if (message === 'tune') return tuneInput;
  expect(Object.keys(descriptions)).toContain(message);
  return emptyInput;
}
