import { type BenchCase, workersOf } from '../case.js';
import { measureCutover, withWorker } from '../migration.js';
import { loadOrders, ordersOf } from '../documents.js';
import { Updates } from '../updates.js';

/** Downtime with three unique indexes, for a tenth of the documents and for all of them. */
export const uniqueIndexes: BenchCase = {
  about: 'downtime with three unique indexes beside writers, --documents against a tenth of them',
  defaults: { documents: 2_000_000, rounds: 3, rate: 1_000 },
  quick: { documents: 20_000, rate: 100 },
  figure: 'downtimeMs',
  prepare: async (environment, options) => {
    const sizes = [Math.round(options.documents / 10), options.documents];
    for (const size of sizes) {
      const orders = ordersOf(environment.sourceClient, `orders${size}`);
      await loadOrders(environment.sourceClient, `orders${size}`, size);
      for (const key of ['email', 'number', 'token']) {
        await orders.createIndex({ [key]: 1 }, { unique: true });
      }
    }
    return sizes.flatMap((size) =>
      workersOf(options).map(({ label, program }) => ({
        name: `${label}${size} documents`,
        run: () =>
          withWorker(environment, program, async () => {
            const begun = performance.now();
            const orders = ordersOf(environment.sourceClient, `orders${size}`);
            const updates = new Updates(orders, size, options.rate);
            const handle = await environment.migrate(`orders${size}`, { copy: 'direct' });
            await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
            const readyS = (performance.now() - begun) / 1000;
            return { readyS, ...(await measureCutover(environment, handle, updates)) };
          }),
      })),
    );
  },
};
