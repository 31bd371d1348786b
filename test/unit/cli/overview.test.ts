import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { Output } from '../../../src/cli/output.js';
import { renderOverview } from '../../../src/cli/overview.js';
import type { MigrationView } from '../../../src/cli/view.js';
import { statusOf } from '../../helpers/migration-status.js';
import { copying, line, viewOf } from './group-views.js';

const COLUMNS = 80;

afterEach(() => {
  Reflect.deleteProperty(process.stdout, 'columns');
});

function screen(): Output {
  Object.defineProperty(process.stdout, 'columns', { value: COLUMNS, configurable: true });
  return Output.for({ json: false, isTerminal: true });
}

function migrationOf(name: string, what?: string): MigrationView {
  const problem = what === undefined ? null : { what, todo: 'mend it' };
  return {
    ...viewOf({}),
    workflowId: `migrate:source:${name}`,
    type: 'migrateCollection',
    status: statusOf({ phase: 'copying', problem }),
  };
}

function many(length: number): MigrationView[] {
  return Array.from({ length }, (_, index) => migrationOf(`a.b${index + 10}`));
}

describe('several migrations that are watched', () => {
  it('are all there while there is room', () => {
    const lines = renderOverview(many(8), new Map(), screen(), 9);
    expect(lines).toHaveLength(9);
    expect(lines.at(-1)).toMatch(/^a\.b17/);
  });

  it('keep their head where there is none, and end with how many more', () => {
    const lines = renderOverview(many(30), new Map(), screen(), 10);
    expect(lines[0]).toMatch(/^MIGRATION/);
    expect(lines[1]).toMatch(/^a\.b10/);
    expect(lines).toHaveLength(10);
    expect(lines.at(-1)).toBe('and 22 more');
  });

  it('leave room for what is wrong, and not all of it to that', () => {
    const output = screen();
    const views = many(30).map(({ workflowId }) =>
      migrationOf(workflowId.replace('migrate:source:', ''), 'it fails '.repeat(12).trim()),
    );
    const lines = renderOverview(views, new Map(), output, 20);
    expect(output.heightOf(lines)).toBeLessThanOrEqual(20);
    expect(lines[0]).toMatch(/^MIGRATION/);
    expect(lines.filter((each) => /^and \d+ more$/.test(each))).toHaveLength(2);
    expect(lines.some((each) => each.startsWith('a.b10: '))).toBe(true);
  });

  it('fit the width whatever they are called, with all columns that count', () => {
    const long = migrationOf(`a.${'long'.repeat(20)}`);
    const [head = '', ...lines] = renderOverview([long, ...many(2)], new Map(), screen());
    expect(head).toMatch(/^MIGRATION .* PHASE .* COPY .* CUTOVER$/);
    expect(stripVTControlCharacters(lines[0] ?? '')).toMatch(/^a\.long\w+… +copying/);
    for (const each of lines) expect(each.length).toBeLessThan(COLUMNS);
  });

  it('take the room of the collections of a group, which stands for them', () => {
    const collections = Array.from({ length: 12 }, (_, index) => line(`shop.c${index}`));
    const group = viewOf({ ...copying, collections });
    const namesIn = (room: number) =>
      renderOverview([group, ...many(5)], new Map(), screen(), room).map(
        (each) => /^ *\S+/.exec(each)?.[0],
      );
    const own = ['a.b10', 'a.b11', 'a.b12', 'a.b13', 'a.b14'];
    expect(namesIn(18)).toHaveLength(18);
    expect(namesIn(10).slice(2)).toEqual(['  shop.c0', '  shop.c1', '  and', ...own]);
    expect(namesIn(7).slice(2)).toEqual(own);
  });
});
