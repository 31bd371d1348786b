import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReplicaSet } from '../../embedded/index.js';
import type { Inspection } from '../../src/inspection.js';
import { TASK_QUEUE } from '../../src/names.js';
import { Authority, encryptKey, writeIdentity, writePem } from '../helpers/certificates.js';
import { TlsFront } from '../helpers/tls-front.js';
import { Environment, type WorkerProcess } from './environment.js';
import { loadItems, Writers } from './writers.js';

const DOCUMENTS = 5_000;
/** Opens the key of the worker's certificate. */
const PASSPHRASE = 'ka7zu-wo9pix';
const API_KEY = 'ka7zu-api-wo9pix';

let folder: string;
let environment: Environment;
let front: TlsFront;
let worker: WorkerProcess;
let ca: string;
let otherCa: string;
let client: string;
let lockedClient: string;
let temporalTls: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'csm-tls-'));
  const authority = await Authority.create();
  const pem = (name: string, text: string) => writePem(folder, name, text);
  ca = await pem('ca', authority.certificate);
  otherCa = await pem('other-ca', (await Authority.create()).certificate);
  const server = await authority.issue('server');
  const identity = await authority.issue('worker');
  const serverFile = await writeIdentity(folder, 'server', server);
  client = await writeIdentity(folder, 'client', identity);
  lockedClient = await writeIdentity(folder, 'locked-client', {
    ...identity,
    key: encryptKey(identity.key, PASSPHRASE),
  });
  // Whoever sets the servers up speaks without TLS; they refuse that before the worker comes.
  const tls = ['--tlsMode', 'preferTLS', '--tlsCertificateKeyFile', serverFile, '--tlsCAFile', ca];
  environment = await Environment.start({
    // Wants a certificate of its clients, the target does not.
    source: { args: tls },
    target: { args: [...tls, '--tlsAllowConnectionsWithoutCertificates'] },
  });
  await loadItems(environment.sourceClient, 'dumped', DOCUMENTS);
  await loadItems(environment.sourceClient, 'direct', DOCUMENTS);
  for (const admin of [environment.sourceClient, environment.targetClient]) {
    await admin.db('admin').command({ setParameter: 1, tlsMode: 'requireTLS' });
  }
  front = await TlsFront.start(environment.temporal.address, server, authority.certificate);
  temporalTls = {
    TEMPORAL_ADDRESS: front.address,
    TEMPORAL_TLS: 'true',
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: ca,
    TEMPORAL_TLS_CLIENT_CERT_PATH: await pem('temporal-cert', identity.certificate),
    TEMPORAL_TLS_CLIENT_KEY_PATH: await pem('temporal-key', identity.key),
  };
  worker = environment.startWorker({
    ...temporalTls,
    TEMPORAL_API_KEY: API_KEY,
    MONGODB_URI_SOURCE: `${uriOf(environment.source, ca, lockedClient)}&tlsCertificateKeyFilePassword=${PASSPHRASE}&compressors=snappy`,
    MONGODB_URI_TARGET: `${uriOf(environment.target)}&compressors=zlib`,
    MONGODB_URI_NOCA: uriOf(environment.target, ''),
    MONGODB_URI_OTHERCA: uriOf(environment.target, otherCa),
    MONGODB_URI_NAMED: uriOf(environment.target).replace('127.0.0.1', 'localhost'),
    MONGODB_URI_PLAIN: uriOf(environment.target).replace('tls=true', 'tls=false'),
    MONGODB_URI_NOCERT: uriOf(environment.source),
    CSM_LOG_LEVEL: 'trace',
    CSM_LOG_FORMAT: 'json',
  });
  await said(worker, 'ready: serving');
});

afterAll(async () => {
  await environment?.stop();
  await front?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

describe('a private CA', () => {
  it.each([
    { copy: 'dump', name: 'dumped' },
    { copy: 'direct', name: 'direct' },
  ])(
    'serves driver, mongodump, mongorestore and Temporal, with a locked key ($copy)',
    async ({ copy, name }) => {
      await using from = await MongoClient.connect(uriOf(environment.source, ca, client));
      await using to = await MongoClient.connect(uriOf(environment.target));
      const writers = new Writers(from, name, DOCUMENTS, 50);
      const handle = await environment.migrate(name, { copy });
      await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
      await writers.stop();
      await expect(environment.cutOver(handle)).resolves.toMatchObject({ phase: 'completed' });
      expect(await hashOf(to, name)).toBe(await hashOf(from, name));
    },
  );

  it('does not hinder the compression that the connection strings ask for', async () => {
    await using from = await MongoClient.connect(uriOf(environment.source, ca, client));
    await using to = await MongoClient.connect(uriOf(environment.target));
    // Nobody else asks for any.
    expect(await compressedBytes(from, 'snappy')).toBeGreaterThan(DOCUMENTS);
    expect(await compressedBytes(to, 'zlib')).toBeGreaterThan(DOCUMENTS);
  });

  it('keeps passphrase and API key to itself', () => {
    expect(worker.log().includes(PASSPHRASE)).toBe(false);
    expect(worker.log().includes(API_KEY)).toBe(false);
  });
});

it.concurrent.each([
  ['no CA', { target: 'noca' }, /self.signed certificate|unable to (?:verify|get)/],
  [
    'another CA',
    { target: 'otherca' },
    /signature|self.signed certificate|unable to (?:verify|get)/,
  ],
  ['another name in the certificate', { target: 'named' }, /localhost.*altnames/],
  ['no certificate of its own', { source: 'nocert' }, /the source "nocert" cannot be reached/],
  ['no TLS', { target: 'plain' }, /the target "plain" cannot be reached/],
])('does not get to MongoDB, and says why: %s', async (_, sides, words) => {
  const input = { source: 'source', target: 'target', namespace: 'shop.direct', ...sides };
  const { errors }: Inspection = await environment.client.workflow.execute('preflight', {
    taskQueue: TASK_QUEUE,
    workflowId: JSON.stringify(sides),
    args: [input],
  });
  expect(errors.map(({ message }) => message).join('\n')).toMatch(words);
});

it.each([
  ['no CA', { TEMPORAL_TLS_SERVER_CA_CERT_PATH: '' }, 'TEMPORAL_TLS_SERVER_CA_CERT_PATH'],
  ['another CA', { TEMPORAL_TLS_SERVER_CA_CERT_PATH: 'other' }, 'TEMPORAL_TLS_SERVER_CA_CERT_PATH'],
  [
    'no certificate of its own',
    { TEMPORAL_TLS_CLIENT_CERT_PATH: '', TEMPORAL_TLS_CLIENT_KEY_PATH: '' },
    'TEMPORAL_TLS_CLIENT_CERT_PATH',
  ],
  ['no TLS', { TEMPORAL_TLS: 'false' }, 'no Temporal server at'],
])('does not get to Temporal, and says why: %s', async (_, env, words) => {
  const changes = Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, value === 'other' ? otherCa : value]),
  );
  const stranger = environment.startWorker({ ...temporalTls, ...changes, CSM_LOG_FORMAT: 'json' });
  // Of a try or another: at times the connection is gone before the reason for it has come.
  await said(stranger, words);
  expect(stranger.log()).toContain('next try in');
  await stranger.kill('SIGTERM');
});

/** A connection string with TLS, which gives up soon. */
function uriOf({ uri }: ReplicaSet, authority = ca, certificate = ''): string {
  const files = [
    ['tlsCAFile', authority],
    ['tlsCertificateKeyFile', certificate],
  ].flatMap(([name, path]) => (path ? [`&${name}=${encodeURIComponent(path)}`] : []));
  return `${uri}&tls=true&serverSelectionTimeoutMS=3000${files.join('')}`;
}

async function said({ log, process }: WorkerProcess, text: string): Promise<void> {
  while (!log().includes(text)) {
    if (process.exitCode !== null) throw new Error(`it ended without saying "${text}":\n${log()}`);
    await sleep(100);
  }
}

async function hashOf(mongo: MongoClient, name: string): Promise<unknown> {
  const reply = await mongo.db('shop').command({ dbHash: 1, collections: [name] });
  return reply['collections'][name];
}

/** Bytes that a server has sent and received so. */
async function compressedBytes(mongo: MongoClient, compressor: string): Promise<number> {
  const { network } = await mongo.db('admin').command({ serverStatus: 1 });
  const { compressor: sent, decompressor: received } = network.compression[compressor];
  return Number(sent.bytesOut) + Number(received.bytesIn);
}
