import { describe, expect, it } from 'vitest';
import { verify } from '../../../src/cli/commands/verify.js';
import { requirePlain } from '../../../src/cli/patterns.js';

const sides = { source: 'source', target: 'target' };

describe('a command for one collection', () => {
  it('takes no pattern, before anything is asked of Temporal', async () => {
    await expect(verify('shop.*', { ...sides, wait: true })).rejects.toMatchObject({
      exit: 'usage',
      message: expect.stringContaining('verify compares one'),
    });
  });

  it('takes a star that belongs to the name', () => {
    expect(requirePlain(String.raw`shop.odd\*name`, 'verify compares')).toBe('shop.odd*name');
  });
});
