import { describe, expect, it } from 'vitest';
import { sortListed } from '../../../src/activities/group/sort-listed.js';
import { migrateCollectionsInput } from '../../../src/group-options.js';
import type { Listed } from '../../../src/mongo/namespaces.js';

function sorted(given: object, names: readonly string[], beside: Partial<Listed> = {}) {
  const pair = { source: 'source', target: 'target', namespaces: ['shop.*'] };
  const listed = names.map((namespace) => ({ namespace, type: 'collection' }));
  const seen = { listed, partial: [], hidden: new Map(), others: [], ...beside };
  return sortListed(migrateCollectionsInput.parse({ ...pair, ...given }), seen);
}

describe('what patterns match', () => {
  const names = ['shop.carts', 'shop.orders', 'shop.tmp_1'];

  it('is without what is excluded, and renamed', () => {
    const rename = [{ from: 'shop.*', to: 'store.*' }];
    const { wanted, problems, unused } = sorted({ exclude: ['shop.tmp_*'], rename }, names);
    expect(wanted).toEqual([
      { namespace: 'shop.carts', targetNamespace: 'store.carts' },
      { namespace: 'shop.orders', targetNamespace: 'store.orders' },
    ]);
    expect([...problems, ...unused]).toEqual([]);
  });

  it('says so where all of it is excluded', () => {
    expect(sorted({ exclude: ['shop.*'] }, names).problems).toEqual([
      '"shop.*" matches no collection at source, after "exclude"',
    ]);
  });

  it('is told where it is nothing: what may have been meant, and what the user may not see', () => {
    const near = sorted({ namespaces: ['shop.order'] }, [], { others: ['shop.orders'] });
    expect(near.problems).toEqual([
      '"shop.order" matches no collection at source, after "exclude" (did you mean "shop.orders"?)',
    ]);
    const hidden = sorted({ namespaces: ['shpo.*'] }, [], {
      hidden: new Map([['shpo', new Error('not authorized')]]),
    });
    expect(hidden.problems).toEqual([
      expect.stringContaining('its user may see nothing of the database shpo; check that name'),
    ]);
    const other = (exclude: string[]) =>
      sorted({ namespaces: ['*.orders'], exclude }, ['shop.orders'], {
        hidden: new Map([['crm', 'no']]),
      });
    expect(other([]).problems).toEqual([
      expect.stringContaining('of the database crm, which "namespaces" match too, the user'),
    ]);
    expect(other(['crm.*'])).toMatchObject({ problems: [], unused: [] });
    const excluded = sorted({ namespaces: ['shop.orders'], exclude: ['shop.*'] }, ['shop.orders']);
    expect(excluded.problems).toEqual([expect.not.stringContaining('did you mean')]);
    const partial = sorted({ namespaces: ['shop.*'] }, [], { partial: ['shop'] });
    expect(partial.problems).toEqual([
      expect.stringContaining('grant listCollections on shop to see all'),
    ]);
  });

  it('goes into no two databases that a server takes for one', () => {
    const rename = [
      { from: 'shop.orders', to: 'Store.orders' },
      { from: 'shop.*', to: 'store.*' },
    ];
    expect(sorted({ rename }, names).problems).toEqual([
      expect.stringContaining(
        'shop.orders would go into the database Store, and others into store',
      ),
    ]);
  });

  it('shows an exclusion that excludes nothing, and what may have been meant', () => {
    const { wanted, unused } = sorted({ exclude: ['shop.temp_*', 'shop.crats'] }, names);
    expect(wanted).toHaveLength(3);
    expect(unused).toEqual([
      expect.stringContaining('"exclude": "shop.temp_*" leaves nothing out'),
      expect.stringContaining('"shop.crats" (did you mean "shop.carts"?)'),
    ]);
  });

  it('shows a renaming that renames nothing, also behind one that takes all', () => {
    const to = 'store.*';
    const rename = [
      { from: 'shp.*', to },
      { from: 'shop.*', to },
      { from: 'shop.carts', to: 'store.baskets' },
    ];
    expect(sorted({ rename }, names).unused).toEqual([
      expect.stringContaining('"rename": "shp.*" renames nothing'),
      expect.stringContaining('"rename": "shop.carts"'),
    ]);
  });
});
