import { execa } from 'execa';
import { obtainMongoTools } from '../../embedded/index.js';
import type { Environment } from '../../test/e2e/environment.js';
import {
  type BenchCase,
  type BenchOptions,
  type Figures,
  perSecond,
  type Variant,
} from '../case.js';
import { cpuSeconds, peakMb, round, startCpuClock } from '../cpu.js';
import { loadShape, manyIndexes, ordersOf, type Shape, usual } from '../documents.js';
import { measureCopy, withWorker } from '../migration.js';
import { profiling } from '../profile.js';
import { serversOf } from '../rate.js';

/** A tool to be measured beside, called with the source's URI, the target's, database and collection. */
const PEER = process.env['BENCH_PEER_COPY'];
const INSERTION_WORKERS = 4;
const DECODED_BATCH = 1_000;

/** From the start of a migration until its copy is there with indexes, beside a pipe of the usual tools. */
function copyOf(shape: Shape, what: string, documents: number, rounds: number): BenchCase {
  return {
    about: `${what}: start to copied with indexes, beside mongodump | mongorestore`,
    defaults: { documents, rounds, rate: 1 },
    quick: { documents: Math.max(20, Math.round(documents / 100)) },
    figure: 'documentsPerSecond',
    prepare: async (environment, options) => copyVariants(environment, options, shape),
  };
}

export const copies = {
  copy: copyOf(usual, '500-byte documents, one index', 1_000_000, 5),
  'copy-indexes': copyOf(manyIndexes, '500-byte documents, eight indexes', 500_000, 3),
  'copy-100': copyOf({ ...usual, bytes: 100 }, '100-byte documents', 1_000_000, 3),
  'copy-16k': copyOf({ ...usual, bytes: 16_000 }, '16-kB documents', 40_000, 3),
  'copy-1m': copyOf({ ...usual, bytes: 1_000_000 }, '1-MB documents', 600, 3),
};

/** What is measured of one shape and size: the pipe first. */
export async function copyVariants(
  environment: Environment,
  options: BenchOptions,
  shape: Shape,
  label = '',
): Promise<Variant[]> {
  const { documents } = options;
  const name = `orders${documents}x${shape.bytes}`;
  await loadShape(environment.sourceClient, name, documents, shape);
  const pipe = `${label}mongodump | mongorestore`;
  const ofTool = (tool: string, run: () => Promise<unknown>): Variant => ({
    name: `${label}${tool}`,
    against: pipe,
    run: () => measureTool(environment, name, documents, run),
  });
  const ofMigration = (copy: 'direct' | 'dump'): Variant => ({
    name: `${label}${copy}`,
    against: pipe,
    run: () => measureMigration(environment, name, options, copy),
  });
  const { source, target } = environment;
  return [
    ofTool('mongodump | mongorestore', () => pipeTools(environment, name)),
    ofMigration('direct'),
    ofMigration('dump'),
    ofTool('decoded, driver objects', () => copyDecoded(environment, name, shape)),
    ...(PEER === undefined
      ? []
      : [ofTool('peer', () => execa(PEER, [source.uri, target.uri, 'shop', name]))]),
  ];
}

async function measureTool(
  environment: Environment,
  name: string,
  documents: number,
  copy: () => Promise<unknown>,
): Promise<Figures> {
  const before = cpuSeconds('self');
  const used = startCpuClock(serversOf(environment));
  const begun = performance.now();
  await copy();
  const seconds = (performance.now() - begun) / 1000;
  const worker = cpuSeconds('self') - before;
  const arrived = await ordersOf(environment.targetClient, name).estimatedDocumentCount();
  if (arrived !== documents) throw new Error(`${arrived} documents arrived of ${documents}`);
  await environment.targetClient.db('shop').dropDatabase();
  await settle(environment);
  return {
    copiedS: round(seconds),
    documentsPerSecond: perSecond(documents, seconds),
    workerCpuS: round(worker),
    ...used(),
  };
}

async function measureMigration(
  environment: Environment,
  name: string,
  options: BenchOptions,
  copy: 'direct' | 'dump',
): Promise<Figures> {
  const measure = async ({ pid }: { readonly pid: number | undefined }): Promise<Figures> => {
    const pids = { ...serversOf(environment), worker: pid };
    const figures = await measureCopy(environment, name, options.documents, { copy }, pids);
    await settle(environment);
    return { ...figures, workerPeakMb: pid === undefined ? Number.NaN : peakMb(pid) };
  };
  return withWorker(environment, 'dist/worker.js', measure, profiling(options));
}

/** The checkpoint of one run is not the next one's work. */
async function settle({ targetClient }: Environment): Promise<void> {
  await targetClient.db('admin').command({ fsync: 1 });
}

async function pipeTools({ source, target }: Environment, name: string): Promise<void> {
  const { mongodump, mongorestore } = await obtainMongoTools();
  await execa(mongodump, ['--uri', source.uri, '--db', 'shop', '--collection', name, '--archive'], {
    buffer: false,
    stderr: 'ignore',
  }).pipe(
    mongorestore,
    ['--uri', target.uri, '--archive', `--numInsertionWorkersPerCollection=${INSERTION_WORKERS}`],
    { stderr: 'ignore' },
  );
}

async function copyDecoded(
  { sourceClient, targetClient }: Environment,
  name: string,
  { indexes, bytes }: Shape,
): Promise<void> {
  const [from, into] = [ordersOf(sourceClient, name), ordersOf(targetClient, name)];
  const size = Math.max(1, Math.min(DECODED_BATCH, Math.floor(16_000_000 / bytes)));
  let batch = [];
  for await (const document of from.find({}, { batchSize: DECODED_BATCH })) {
    batch.push(document);
    if (batch.length < size) continue;
    await into.insertMany(batch, { ordered: false, writeConcern: { w: 'majority' } });
    batch = [];
  }
  if (batch.length > 0) await into.insertMany(batch, { ordered: false });
  for (const key of indexes) await into.createIndex(key);
}
