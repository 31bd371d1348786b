import { describe, expect, it } from 'vitest';
import { helpText, OptionError, readOptions } from '../../../demo/options.js';

const defaults = { docs: 200_000, copy: 'dump', rate: 500, keep: false, help: false };

describe('the options', () => {
  it.each([
    [[], {}],
    [['--docs', '5000'], { docs: 5000 }],
    [['--docs=200_000'], { docs: 200_000 }],
    [['--docs', '200,000'], { docs: 200_000 }],
    [['--copy', 'direct', '--keep'], { copy: 'direct', keep: true }],
    [['--copy=dump', '--rate=1'], { rate: 1 }],
    [['--rate', '50', '--rate', '60'], { rate: 60 }],
    [['--help'], { help: true }],
    [['-h'], { help: true }],
    [['--'], {}],
  ])('%j', (args, expected) => {
    expect(readOptions(args)).toEqual({ ...defaults, ...expected });
  });

  it.each([
    [['--doc', '5'], 'unknown option --doc; did you mean --docs?'],
    [['--Keep'], 'unknown option --Keep; did you mean --keep?'],
    [['--coppy=direct'], 'unknown option --coppy; did you mean --copy?'],
    [['--verbose'], 'unknown option --verbose; known are --docs, --copy, --rate, --keep, --help'],
    [['--copy', 'driect'], '--copy takes dump or direct; did you mean --copy direct?'],
    [['--copy'], '--copy takes dump or direct'],
    [['--docs', 'many'], '--docs takes a whole number from 100 to 10000000, as in --docs 1000'],
    [['--docs'], '--docs takes a whole number from 100 to 10000000, as in --docs 1000'],
    [['--docs', '99'], '--docs takes a whole number'],
    [['--docs', '1e5'], '--docs takes a whole number'],
    [['--rate', '0'], '--rate takes a whole number from 1 to 10000'],
    [['--rate', '-5'], '--rate takes a whole number from 1 to 10000'],
    [['--keep=yes'], '--keep takes no value'],
    // What `npm run demo --docs 5000` hands over.
    [['5000'], '"5000" belongs to no option; options come after --'],
  ])('%j is refused', (args, message) => {
    expect(() => readOptions(args)).toThrow(OptionError);
    expect(() => readOptions(args)).toThrow(message);
  });

  it('are all in the help, which fits a terminal', () => {
    for (const name of Object.keys(defaults)) expect(helpText).toContain(`--${name}`);
    for (const line of helpText.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });
});
