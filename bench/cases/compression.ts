import zlib from 'node:zlib';
import type { BenchCase } from '../case.js';
import { loadOrders } from '../documents.js';
import { Links } from '../link.js';
import { measureCopy, withWorker } from '../migration.js';
import { serversOf } from '../rate.js';

const NAME = 'orders';
/** What the network lets through, to each side. */
const BYTES_PER_SECOND = 10_000_000;
const COMPRESSORS = ['none', 'snappy', 'zlib', ...('zstdCompress' in zlib ? ['zstd'] : [])];

/** What compression between worker and servers does for a copy that the network limits, and what it costs. */
export const compression: BenchCase = {
  about: 'direct copy behind links of 10 MB/s, with each compressor of the connection string',
  defaults: { documents: 200_000, rounds: 3, rate: 1 },
  quick: { documents: 5_000 },
  figure: 'documentsPerSecond',
  prepare: async (environment, { documents }) => {
    await loadOrders(environment.sourceClient, NAME, documents);
    return COMPRESSORS.map((compressor) => ({
      name: compressor,
      run: async () => {
        await using links = await Links.start(environment, BYTES_PER_SECOND);
        return await withWorker(
          environment,
          'dist/worker.js',
          ({ pid }) => {
            const pids = { ...serversOf(environment), worker: pid };
            return measureCopy(environment, NAME, documents, { copy: 'direct' }, pids);
          },
          { env: links.env(compressor === 'none' ? '' : `&compressors=${compressor}`) },
        );
      },
    }));
  },
};
