import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort, startTemporalServer, type TemporalServer } from '../../embedded/index.js';
import { hostQueue, TASK_QUEUE } from '../../src/names.js';
import { isRunning } from '../../src/temporal.js';

const WORKER = fileURLToPath(new URL('../../src/worker.ts', import.meta.url));
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const HOST = 'test-host';
const TIMEOUT = 60_000;
/** As Temporal's API numbers it. */
const ACTIVITY_QUEUE = 2;

// Where no .env and no temporal.toml of whoever runs the tests can be found.
let folder: string;
let server: TemporalServer;
const started: WorkerProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'csm-worker-test-'));
  server = await startTemporalServer();
}, 300_000);

afterEach(async () => {
  for (const { child } of started.splice(0)) {
    child.kill('SIGKILL');
    await child;
  }
});

afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

interface WorkerProcess {
  readonly child: ReturnType<typeof spawn>;
  /** Waits until it has written this. */
  said(text: string): Promise<void>;
  output(): string;
}

function spawn(env: Record<string, string>) {
  return execa(process.execPath, ['--import', TSX, WORKER], {
    cwd: folder,
    reject: false,
    extendEnv: false,
    env: {
      PATH: process.env['PATH'] ?? '',
      TEMPORAL_CONFIG_FILE: join(folder, 'temporal.toml'),
      WORKER_HOST: HOST,
      CSM_TOOLS: 'optional',
      MONGODB_URI_SOURCE: 'mongodb://user:s3cret@127.0.0.1:1/',
      ...env,
    },
  });
}

function startWorker(env: Record<string, string>): WorkerProcess {
  const child = spawn(env);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const said = async (text: string): Promise<void> => {
    while (!output.includes(text)) {
      if (child.exitCode !== null) throw new Error(`it ended without saying "${text}":\n${output}`);
      await sleep(20);
    }
  };
  const worker = { child, said, output: () => output };
  started.push(worker);
  return worker;
}

async function terminate({ child }: WorkerProcess) {
  const before = Date.now();
  child.kill('SIGTERM');
  const { exitCode, stderr } = await child;
  return { exitCode, stderr, milliseconds: Date.now() - before };
}

describe('the worker', () => {
  it(
    'exits with 1 and one message about all that is wrong',
    async () => {
      const { child } = startWorker({
        PATH: '/nowhere',
        CSM_TOOLS: '',
        MONGODB_URI_SOURCE: 'mongodb://user:s3cret@ss@host/',
        CSM_LOG_LEVEL: 'loud',
        TEMPORAL_ADDRESS: 'http://host',
      });
      const { exitCode, stdout, stderr } = await child;
      expect(exitCode).toBe(1);
      expect(stdout).toBe('');
      for (const named of [
        'MONGODB_URI_SOURCE',
        'CSM_LOG_LEVEL',
        'TEMPORAL_ADDRESS',
        'mongodump',
        'mongorestore',
        'CSM_TOOLS=optional',
      ]) {
        expect(stderr).toContain(named);
      }
      expect(stderr).not.toContain('s3cret');
      expect(stderr.split('\n').every((line) => /^(The worker|  - )/.test(line))).toBe(true);
    },
    TIMEOUT,
  );

  it(
    'says that Temporal is not there, and ends at once when told to',
    async () => {
      const address = `127.0.0.1:${await freePort()}`;
      const worker = startWorker({ TEMPORAL_ADDRESS: address });
      await worker.said(`no Temporal server at ${address} (Connection refused); next try in 2 s`);
      const { exitCode, stderr, milliseconds } = await terminate(worker);
      expect(exitCode).toBe(0);
      expect(stderr).toBe('');
      expect(milliseconds).toBeLessThan(1500);
    },
    TIMEOUT,
  );

  it(
    'serves metrics to this machine alone when it is given a port',
    async () => {
      const port = await freePort();
      const worker = startWorker({
        TEMPORAL_ADDRESS: server.address,
        CSM_METRICS_ADDRESS: String(port),
      });
      await worker.said('ready: serving');
      const answers = (host: string) =>
        fetch(`http://${host}:${port}/metrics`).then(
          ({ ok }) => ok,
          () => false,
        );
      await expect.poll(() => answers('127.0.0.1'), { timeout: 30_000 }).toBe(true);
      const others = Object.values(networkInterfaces()).flatMap((each = []) =>
        each.filter(({ internal, family }) => !internal && family === 'IPv4'),
      );
      for (const other of others) await expect(answers(other.address)).resolves.toBe(false);
      expect((await terminate(worker)).exitCode).toBe(0);
    },
    TIMEOUT,
  );

  it(
    'says that the namespace is missing, and keeps trying',
    async () => {
      const worker = startWorker({ TEMPORAL_ADDRESS: server.address, TEMPORAL_NAMESPACE: 'nope' });
      await worker.said('has no namespace \\"nope\\"');
      await worker.said('next try in 2 s');
      expect((await terminate(worker)).exitCode).toBe(0);
    },
    TIMEOUT,
  );

  it(
    'waits for Temporal, serves both queues, survives its restart, and ends in good order',
    async () => {
      await server.kill();
      const worker = startWorker({ TEMPORAL_ADDRESS: server.address, CSM_LOG_LEVEL: 'debug' });
      await worker.said('no Temporal server at');
      await server.restart();
      await worker.said(`ready: serving ${TASK_QUEUE} and ${hostQueue(HOST)}`);
      await untilPolled(TASK_QUEUE);
      await untilPolled(hostQueue(HOST));

      // It keeps nothing on disk, so that whoever polls afterwards has come back by itself.
      await server.kill();
      await server.restart();
      await untilPolled(TASK_QUEUE);
      await untilPolled(hostQueue(HOST));

      const { exitCode, stderr, milliseconds } = await terminate(worker);
      expect(exitCode).toBe(0);
      expect(stderr).toBe('');
      expect(milliseconds).toBeLessThan(5000);
      const lines = worker.output().trimEnd().split('\n');
      for (const line of lines) {
        expect(JSON.parse(line)).toMatchObject({
          time: expect.stringMatching(/Z$/),
          level: expect.any(String),
          msg: expect.any(String),
        });
      }
      expect(worker.output()).not.toContain('s3cret');
    },
    2 * TIMEOUT,
  );
});

describe('isRunning', () => {
  it('knows open runs from closed ones, and reports an answer that it cannot get', async () => {
    const connection = await Connection.connect({ address: server.address });
    try {
      const client = new Client({ connection });
      const options = { taskQueue: 'nobody', workflowId: 'migrate:a:b' };
      const { firstExecutionRunId: runId } = await client.workflow.start('waits', options);
      await expect(isRunning(client, options.workflowId, runId)).resolves.toBe(true);
      await client.workflow.getHandle(options.workflowId).terminate();
      await expect(isRunning(client, options.workflowId, runId)).resolves.toBe(false);
      await expect(isRunning(client, 'migrate:a:other', runId)).resolves.toBeUndefined();
      const elsewhere = new Client({ connection, namespace: 'nope' });
      await expect(isRunning(elsewhere, options.workflowId, runId)).rejects.toThrow();
    } finally {
      await connection.close();
    }
  });
});

/** Waits until a worker asks the server for the activities of a queue. */
async function untilPolled(queue: string): Promise<void> {
  const connection = await Connection.connect({ address: server.address });
  try {
    for (;;) {
      const { pollers } = await connection.workflowService.describeTaskQueue({
        namespace: server.namespace,
        taskQueue: { name: queue },
        // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- Temporal keeps the enum to itself
        taskQueueType: ACTIVITY_QUEUE,
      });
      if (pollers.length > 0) return;
      await sleep(100);
    }
  } finally {
    await connection.close();
  }
}
