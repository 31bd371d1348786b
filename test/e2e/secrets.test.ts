import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { MongoClient } from 'mongodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { obtainMongoTools, type ReplicaSet } from '../../embedded/index.js';
import {
  databaseText,
  errorText,
  filesBelow,
  historyText,
  watchProcesses,
  watchWorkflow,
} from '../helpers/traces.js';
import { Environment, untilServing, type WorkerProcess } from './environment.js';
import { loadItems, Writers } from './writers.js';

const ROOT = { user: 'root', password: 'root' };
/** Every character that a URI, a shell, YAML or JSON reads in its own way. */
const PASSWORD = `ka7zu:et/@?%#&"'\\$ {é} wo9pix`;
/** Both ends of it, for whatever cuts or encodes the rest in a way of its own. */
const PARTS = ['ka7zu', 'wo9pix'];
const DOCUMENTS = 5_000;
/** What of a process's memory Linux writes into a core file, in bits. */
const FILTER = '/proc/self/coredump_filter';

let environment: Environment;
let temporary: string;
/** While this file is there, mongodump prints all that it was given, and fails. */
let spoilt: string;
const logs: (() => string)[] = [];

beforeAll(async () => {
  environment = await Environment.start({ source: { auth: ROOT }, target: { auth: ROOT } });
  const { sourceClient, targetClient, folder } = environment;
  await createMover(sourceClient, 'read');
  await createMover(targetClient, 'readWrite');
  temporary = join(folder, 'tmp');
  await mkdir(temporary);
  spoilt = join(folder, 'spoilt');
  for (const [name, program] of Object.entries(await obtainMongoTools())) {
    await writeFile(join(folder, name), talkative(program, name === 'mongodump' ? spoilt : ''));
    await chmod(join(folder, name), 0o755);
  }
  await writeFile(join(folder, 'target-uri'), uriOf(environment.target), { mode: 0o600 });
  await startWorker();
});

afterAll(async () => {
  await environment?.stop();
});

it('is in no argument, log, history, heartbeat, error, dump file or document', async () => {
  const { sourceClient, targetClient } = environment;
  await loadItems(sourceClient, 'items', DOCUMENTS);
  const writers = new Writers(sourceClient, 'items', DOCUMENTS, 100);
  const processes = watchProcesses();
  await writeFile(spoilt, '');
  const handle = await environment.migrate('items', { target: 'mounted', restore: 'signal' });
  const told = watchWorkflow(handle);

  const { problem } = await environment.until(
    handle,
    'a failing mongodump',
    (status) => status.problem?.what.includes('mongodump') === true,
  );
  // It has printed the connection string, which nobody sees.
  expect(problem?.what).toContain('mongodb://***@');
  await rm(spoilt);

  await environment.until(handle, 'waiting', ({ phase }) => phase === 'waiting');
  const dumped = await filesBelow(environment.dumpFolder);
  expect(dumped.length).toBeGreaterThan(0);
  for (const file of dumped) {
    expectNoSecret(await readFile(file, 'latin1'));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  }
  for (const folder of await readdir(environment.dumpFolder)) {
    expect((await stat(join(environment.dumpFolder, folder))).mode & 0o777).toBe(0o700);
  }
  const during = await databaseText(targetClient, 'shop');
  expect(during.includes('person-')).toBe(true);
  expectNoSecret(during);

  await handle.signal('restore');
  await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
  // The driver says in its own words what it does not get in with.
  await setPassword(sourceClient, 'another');
  await restartWorker();
  await expect
    .poll(() => logs.at(-1)?.().includes('refuses the login'), { timeout: 60_000 })
    .toBe(true);
  await environment.until(
    handle,
    'a refused login',
    (status) => status.problem?.what.includes('refuses the login') === true,
  );
  await setPassword(sourceClient, PASSWORD);
  await writers.stop();
  await expect(environment.cutOver(handle)).resolves.toMatchObject({ phase: 'completed' });

  expectNoSecret(await processes.stop());
  for (const tool of ['mongodump', 'mongorestore']) {
    const { argv, filter } = await readTrace(join(environment.folder, tool));
    expect(argv).toContain('--config=');
    expectNoSecret(argv);
    if (process.platform === 'linux') expect(filter).toMatch(/^(?:0+\n)+$/);
  }
  const said = await told.stop();
  expect(said.includes('heartbeatDetails')).toBe(true);
  expectNoSecret(said);
  expectNoSecret(await historyText(handle));
  expectNoSecret(await databaseText(targetClient, 'shop'));
  expect(await filesBelow(environment.dumpFolder)).toEqual([]);
  // Some runtimes keep a cache there too.
  const left = await readdir(temporary);
  expect(left.filter((name) => name.startsWith('changestream-migration'))).toEqual([]);
}, 240_000);

it('is in nothing that is said of a wrong password', async () => {
  const handle = await environment.migrate('failing', { source: 'wrong' });
  const error: unknown = await handle.result().catch((reason: unknown) => reason);
  const text = errorText(error);
  expect(text.includes('refuses the user name or the password')).toBe(true);
  expectNoSecret(text);
  expectNoSecret(await historyText(handle));
});

it.each(['source', 'target'])(
  'is in nothing that is said of a %s that is not there',
  async (side) => {
    const handle = await environment.migrate('items', { [side]: 'gone' });
    await environment.until(handle, 'the problem', ({ problem }) => problem !== null);
    const told = watchWorkflow(handle);
    await handle.terminate();
    expectNoSecret(await told.stop());
    expectNoSecret(await historyText(handle));
  },
);

it('is not repeated when somebody sends it', async () => {
  const handle = await environment.migrate('sent', { source: uriOf(environment.source) });
  const error: unknown = await handle.result().catch((reason: unknown) => reason);
  expect(errorText(error)).toContain('MONGODB_URI_');
  expectNoSecret(errorText(error));
});

// Node writes of a crash what it is asked for, with all variables of the environment; the system writes memory.
it('is in no file that a worker leaves that dies', async () => {
  await stopWorker();
  await loadItems(environment.sourceClient, 'crashing', 100);
  const folder = join(environment.folder, 'crash');
  await mkdir(folder);
  const worker = await startWorker(
    {
      CSM_TEST_FAILPOINT: 'partition-copied:out-of-memory',
      NODE_OPTIONS: `--max-old-space-size=256 --diagnostic-dir=${folder} --report-directory=${folder}`,
    },
    folder,
  );
  const died = once(worker.process, 'exit');
  const handle = await environment.migrate('crashing', { copy: 'direct' });
  await died;
  expect(worker.log()).toContain('heap out of memory');
  await handle.terminate();
  const left = await filesBelow(folder);
  expect(left.filter((file) => !basename(file).startsWith('core'))).toEqual([]);
  // None when the system hands them to a program of its own.
  for (const core of left) {
    const bytes = await readFile(core);
    expect(PARTS.filter((part) => bytes.includes(part))).toEqual([]);
  }
  for (const file of ['package.json', 'Dockerfile', 'docker-compose.yml', '.env.example']) {
    expect(await readFile(file, 'utf8')).not.toMatch(/--(report-|heapsnapshot|abort-on)/);
  }
}, 240_000);

// The last one: it reads what all of them have caused.
it('is in no line that a worker writes, however much it says', () => {
  const all = logs.map((log) => log()).join('\n');
  expect(all.includes('"level":"trace"')).toBe(true);
  expectNoSecret(all);
});

function expectNoSecret(text: string): void {
  const places = PARTS.flatMap((part) => {
    const at = text.indexOf(part);
    return at < 0 ? [] : [text.slice(Math.max(0, at - 300), at + 50)];
  });
  expect(places).toEqual([]);
}

async function createMover(client: MongoClient, role: string): Promise<void> {
  await client.db('admin').command({
    createUser: 'mover',
    pwd: PASSWORD,
    roles: [{ role, db: 'shop' }],
  });
}

async function setPassword(client: MongoClient, pwd: string): Promise<void> {
  await client.db('admin').command({ updateUser: 'mover', pwd });
}

function uriOf({ uri }: ReplicaSet, password = PASSWORD): string {
  return uri.replace('root:root@', `mover:${encodeURIComponent(password)}@`);
}

/**
 * A tool that writes beside itself what it was given as arguments, and which of its memory a core file would hold. While
 * a file is there it prints arguments and connection string, and fails.
 */
function talkative(program: string, file: string): string {
  return `#!/bin/sh
echo "$@" >>"$0.argv"
cat ${FILTER} >>"$0.filter"
if [ -e '${file}' ]; then
  echo "$@" >&2
  for each do
    case "$each" in --config=*) cat "\${each#--config=}" >&2 ;; esac
  done
  exit 1
fi
exec '${program}' "$@"
`;
}

async function readTrace(tool: string): Promise<{ argv: string; filter: string }> {
  const read = (what: string) => readFile(`${tool}.${what}`, 'utf8');
  return { argv: await read('argv'), filter: await read('filter') };
}

async function startWorker(
  env: Readonly<Record<string, string>> = {},
  coreFolder?: string,
): Promise<WorkerProcess> {
  const { source, folder } = environment;
  const settings = {
    MONGODB_URI_SOURCE: uriOf(source),
    MONGODB_URI_TARGET: uriOf(environment.target),
    MONGODB_URI_MOUNTED_FILE: join(folder, 'target-uri'),
    MONGODB_URI_WRONG: uriOf(source, `${PASSWORD} `),
    MONGODB_URI_GONE: uriOf(source).replace(
      /@[^/]*\/\?/,
      '@127.0.0.1:1/?serverSelectionTimeoutMS=500&',
    ),
    MONGODUMP_BIN: join(folder, 'mongodump'),
    MONGORESTORE_BIN: join(folder, 'mongorestore'),
    TMPDIR: temporary,
    CSM_LOG_LEVEL: 'trace',
    CSM_LOG_FORMAT: 'json',
    ...env,
  };
  const worker = environment.startWorker(settings, undefined, coreFolder);
  logs.push(worker.log);
  stopWorker = () => worker.kill('SIGTERM');
  await untilServing(worker);
  return worker;
}

let stopWorker: () => Promise<void>;

async function restartWorker(): Promise<void> {
  await stopWorker();
  await startWorker();
}
