import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { exitCodes } from '../../../src/cli/exit-codes.js';
import { createProgram } from '../../../src/cli/program.js';

const page = readFileSync(new URL('../../../docs/csm.md', import.meta.url), 'utf8');
const program = createProgram(() => undefined);

/** First cells of the tables below a heading. */
function cellsBelow(title: string): string[] {
  const start = page.indexOf(`## ${title}\n`);
  const end = page.indexOf('\n## ', start + 1);
  const section = page.slice(start, end < 0 ? undefined : end);
  return [...section.matchAll(/^\| `?(\w+)`? +\|/gm)]
    .map(([, cell = '']) => cell)
    .filter((cell) => !['command', 'code'].includes(cell));
}

describe('docs/csm.md', () => {
  it('explains every command', () => {
    const names = program.commands.map((command) => command.name());
    const shown = names.filter((name) => name !== 'complete');
    expect(cellsBelow('Commands').toSorted()).toEqual(shown.toSorted());
  });

  it('says what every command prints with --json', () => {
    const withJson = program.commands.filter(({ options }) =>
      options.some(({ long }) => long === '--json'),
    );
    const [, table = ''] = /\n## JSON\n([^]*?)\nA view:/.exec(page) ?? [];
    const cells = [...table.matchAll(/^\| ([^|]*)\|/gm)].map(([, cell]) => cell).join();
    const named = [...cells.matchAll(/`(\w+)/g)].map(([, name]) => name);
    expect(new Set(named)).toEqual(new Set(withJson.map((command) => command.name())));
  });

  it('explains every exit code', () => {
    expect(cellsBelow('Exit codes')).toEqual(Object.values(exitCodes).map(String));
  });
});
