import pico from 'picocolors';
import { expect, it } from 'vitest';
import { renderGroupInspection } from '../../../src/cli/commands/preflight.js';
import { HANG } from '../../../src/cli/output.js';
import type { GroupInspection } from '../../../src/inspection.js';

const inspection: GroupInspection = {
  mayStart: false,
  errors: ['shop.b: it exists at the target'],
  errorsNotShown: 12,
  collections: [
    { namespace: 'shop.a', targetNamespace: 'store.a', documents: 1_200, bytes: 3_000_000 },
    { namespace: 'shop.b', targetNamespace: 'shop.b' },
    {
      namespace: 'shop.c',
      targetNamespace: 'shop.c',
      documents: 0,
      bytes: 0,
      openedAt: '2026-01-01T00:00:00.000Z',
    },
  ],
  leftOut: [],
  warnings: [],
};

it('shows what patterns stand for beside what speaks against it, and how much more there is', () => {
  const lines = renderGroupInspection(inspection, { colors: pico.createColors(false) });
  const text = lines.join('\n').replaceAll(HANG, '');
  expect(text).toContain('may not start');
  expect(text).toContain('shop.a → store.a: 1,200 documents');
  expect(text).toContain('shop.b: not looked at');
  expect(text).toContain('shop.c: cut over at 2026-01-01T00:00:00.000Z, not done again');
  expect(text).toContain('shop.b: it exists at the target');
  expect(text).toContain('and 12 more');
});
