import { describe, expect, it } from 'vitest';
import { preflight } from '../../../src/cli/commands/preflight.js';
import { verify } from '../../../src/cli/commands/verify.js';
import { requirePlain } from '../../../src/cli/patterns.js';

const sides = { source: 'source', target: 'target' };

describe('a command for one collection', () => {
  it.each([
    ['verify compares one', () => verify('shop.*', { ...sides, wait: true })],
    ['preflight looks at one', () => preflight('shop.*', sides)],
  ])('takes no pattern, before anything is asked of Temporal: %s', async (words, run) => {
    await expect(run()).rejects.toMatchObject({
      exit: 'usage',
      message: expect.stringContaining(words),
    });
  });

  it('takes a star that belongs to the name', () => {
    expect(requirePlain(String.raw`shop.odd\*name`, 'verify compares')).toBe('shop.odd*name');
  });
});
