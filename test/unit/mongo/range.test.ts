import { Timestamp } from 'mongodb';
import { expect, it } from 'vitest';
import { KeySample } from '../../../src/mongo/key-sample.js';
import { BufferedChange, cutAtInsertedAgain, type Range } from '../../../src/mongo/range.js';
import { rawOf } from '../../helpers/bson.js';

/** Changes as `d1` (delete of 1) and `u1`, each with a token of its own. */
function rangeOf(...changes: readonly string[]): Range {
  const list = changes.map((text, index) => {
    const bundle = {
      key: `t${index}`,
      token: `t${index}`,
      from: new Timestamp({ t: 1, i: index }),
    };
    const { key } = rawOf(Number(text.slice(1)));
    return new BufferedChange(bundle, 0, { code: text.slice(0, 1), key, was: undefined, size: 0 });
  });
  return {
    after: undefined,
    end: 'end',
    count: list.length,
    changes: list,
    isSieved: false,
    hasDocuments: true,
    documents: new KeySample(),
    last: true,
    full: false,
  };
}

it.each([
  [['u1', 'd2', 'u3'], [['u1', 'd2', 'u3']]],
  [['d1', 'u1'], [['d1', 'u1']]],
  [
    ['d1', 'u1', 'u3'],
    [['d1', 'u1'], ['u3']],
  ],
  [
    ['u9', 'd1', 'd2', 'u2', 'd1', 'u1', 'u2'],
    [['u9', 'd1', 'd2', 'u2'], ['d1', 'u1'], ['u2']],
  ],
])('cuts %j after each document that is inserted again', (changes, expected) => {
  const parts: Range[] = [];
  let rest: Range | undefined = rangeOf(...changes);
  while (rest) {
    const [part, left]: [Range, Range | undefined] = cutAtInsertedAgain(rest);
    parts.push(part);
    rest = left;
  }
  const shown = parts.map((part) =>
    part.changes.map(({ bundle }) => changes[Number(bundle.token.slice(1))]),
  );
  expect(shown).toEqual(expected);
  for (const [index, part] of parts.entries()) {
    const isEnd = index === parts.length - 1;
    expect(part.after).toBe(parts[index - 1]?.end);
    expect(part.end).toBe(isEnd ? 'end' : part.changes.at(-1)?.bundle.token);
    // What is left of one that was cut is no longer up to what is captured by then.
    expect(part.last).toBe(parts.length === 1);
  }
});
