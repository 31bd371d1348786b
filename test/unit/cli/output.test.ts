import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, expect, it, vi } from 'vitest';
import { CliError } from '../../../src/cli/cli-error.js';
import { HANG, Output } from '../../../src/cli/output.js';
import { takenAs } from '../../helpers/taken-as.js';

afterEach(() => {
  vi.restoreAllMocks();
});

function capture(stream: 'stdout' | 'stderr'): () => string {
  let written = '';
  vi.spyOn(process[stream], 'write').mockImplementation((text) => {
    written += String(text);
    return true;
  });
  return () => written;
}

const error = new CliError('refused', 'no: mongodb://user:s3cret@host', {
  todo: ['wait'],
  facts: { blockers: [] },
});

it('writes plain lines to a pipe, without secrets', () => {
  const [out, err] = [capture('stdout'), capture('stderr')];
  const output = Output.for({ json: false, isTerminal: false });
  output.say(`  copy   ${HANG}100 %`, 'mongodb://user:s3cret@host');
  output.show(['only for those who look on']);
  output.data({ a: 1 });
  output.fail(error);
  expect(out()).toBe('  copy   100 %\nmongodb://***@host\n');
  expect(err()).toBe('error: no: mongodb://***@host\n  wait\n');
});

it('writes JSON and nothing else with --json', () => {
  const [out, err] = [capture('stdout'), capture('stderr')];
  const output = Output.for({ json: true, isTerminal: true });
  output.say('words');
  output.data({ a: 'mongodb://user:s3cret@host' });
  output.fail(error);
  expect(JSON.parse(out())).toEqual({ a: 'mongodb://***@host' });
  expect(JSON.parse(err())).toEqual({
    error: {
      code: 'refused',
      exitCode: 6,
      message: 'no: mongodb://***@host',
      todo: ['wait'],
      blockers: [],
    },
  });
});

it('wraps below the text on a terminal', () => {
  const out = capture('stdout');
  Object.defineProperty(process.stdout, 'columns', { value: 40, configurable: true });
  const written = `  copy   ${HANG}${'word '.repeat(12).trim()}`;
  const output = Output.for({ json: false, isTerminal: true });
  output.say(written);
  const height = output.heightOf(['', written]);
  Reflect.deleteProperty(process.stdout, 'columns');
  const lines = stripVTControlCharacters(out()).trim().split('\n');
  expect(lines.length).toBeGreaterThan(1);
  expect(height).toBe(1 + lines.length);
  expect(lines.slice(1).every((line) => line.startsWith('         word'))).toBe(true);
});

it.each([
  ['on a terminal', { json: false, isTerminal: true }, true],
  ['on a terminal with --json, too', { json: true, isTerminal: true }, true],
  ['not in a pipe', { json: true, isTerminal: false }, false],
])('somebody can be asked %s', (_where, ways, canAsk) => {
  const before = process.stdin.isTTY;
  process.stdin.isTTY = true;
  try {
    expect(Output.for(ways).canAsk).toBe(canAsk);
  } finally {
    process.stdin.isTTY = before;
  }
});

it('Ctrl-C at a question is no answer, and nothing is done', async () => {
  const err = capture('stderr');
  const before = process.stderr.isTTY;
  process.stderr.isTTY = true;
  const keys = new PassThrough();
  vi.spyOn(process, 'stdin', 'get').mockReturnValue(takenAs(keys));
  try {
    const asked = Output.for({ json: false, isTerminal: true }).confirm('Abort it?');
    keys.write('\u0003');
    await expect(asked).rejects.toMatchObject({ exit: 'interrupted', message: 'nothing was done' });
  } finally {
    process.stderr.isTTY = before;
  }
  expect(err()).toContain('Abort it? [y/N] ');
});
