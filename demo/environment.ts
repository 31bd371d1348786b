import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import {
  obtainMongod,
  obtainMongoTools,
  obtainTemporal,
  type OnProgress,
  startReplicaSet,
  startTemporalServer,
} from '../embedded/index.js';
import type { Cleanup, Stoppable } from './cleanup.js';
import { Worker } from './worker.js';

/** Everything that runs for the demo. */
export interface Environment {
  readonly source: Side;
  readonly target: Side;
  readonly temporal: {
    readonly address: string;
    readonly uiUrl: string;
    /** Path of the Temporal CLI. */
    readonly cli: string;
  };
  readonly worker: Worker;
}

/** A replica set, and the application's connection to it. */
export interface Side {
  readonly uri: string;
  readonly client: MongoClient;
}

/**
 * Starts two replica sets, a Temporal server with its UI, and the worker; obtains first what is not on this machine.
 *
 * @param cleanup stops all of it
 * @param say told, a line at a time, what happens
 * @throws Error that says what did not start and why
 */
export async function startEnvironment(
  cleanup: Cleanup,
  say: (line: string) => void,
): Promise<Environment> {
  const { mongod, cli, tools } = await cleanup.own(() => obtain(say));
  const [source, target, temporal, { folder }] = await Promise.all([
    startSide(cleanup, 'source', mongod),
    startSide(cleanup, 'target', mongod),
    cleanup.own(async () => temporary(await startTemporalServer({ binary: cli, ui: true }))),
    cleanup.own(startFolder),
  ]);
  const { address, uiUrl = '' } = temporal.server;
  say(`  source    ${source.uri}`);
  say(`  target    ${target.uri}`);
  say(`  Temporal  ${address}, its UI ${uiUrl}`);

  const worker = await cleanup.own(() =>
    Worker.start({
      folder,
      sourceUri: source.uri,
      targetUri: target.uri,
      temporalAddress: address,
      tools,
    }),
  );
  await worker.ready();
  say('  worker    npm start, with these addresses in its environment');
  return { source, target, temporal: { address, uiUrl, cli }, worker };
}

/** Cannot be told to end; Ctrl-C also ends the programs that it runs, and then it needs a moment to clean up. */
async function obtain(say: (line: string) => void) {
  const onProgress: OnProgress = ({ what, message }) => say(`  ${what}: ${message}`);
  const mongod = await obtainMongod(onProgress);
  const cli = await obtainTemporal(onProgress);
  const tools = await obtainMongoTools(onProgress);
  return { mongod, cli, tools, stop: async () => {} };
}

async function startSide(cleanup: Cleanup, name: string, binary: string): Promise<Side> {
  const { server } = await cleanup.own(async () =>
    temporary(await startReplicaSet({ name, binary, cacheSizeGB: 0.5, oplogSizeMB: 2048 })),
  );
  const { uri } = server;
  const client = await cleanup.own(async () => new Connected(uri));
  await client.connect();
  return { uri, client };
}

/** What a server holds is of no use afterwards, so that it may end at once. */
function temporary<Server extends Stoppable & { kill(): Promise<void> }>(server: Server) {
  const stop = async (): Promise<void> => {
    await server.kill();
    await server.stop();
  };
  return { server, stop };
}

class Connected extends MongoClient implements Stoppable {
  constructor(uri: string) {
    // A server that is gone ends the demo with a message, not half a minute later.
    super(uri, { serverSelectionTimeoutMS: 5_000 });
  }

  async stop(): Promise<void> {
    await this.close();
  }
}

async function startFolder(): Promise<Stoppable & { readonly folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'changestream-migration-demo-'));
  const stop = () => rm(folder, { recursive: true, force: true });
  return { folder, stop };
}
