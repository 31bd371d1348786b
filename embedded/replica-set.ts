import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { createRoot, credentialsOf, initiate } from './initiate.js';
import type { RootUser } from './initiate.js';
import { Member } from './member.js';
import { obtainMongod } from './obtain.js';
import { freePort } from './ports.js';
import { checkProgram } from './program.js';
import type { OnProgress } from './progress.js';
import { silent } from './progress.js';

/** What replica set to start; only the name is needed. */
export interface ReplicaSetOptions {
  /** The replica set's name: letters, digits, `-` and `_`. */
  readonly name: string;
  /** The first member's port, the others' follow it; free ones when left out. */
  readonly port?: number;
  /** The folder for data and logs, kept after `stop`, and used again by a later start; a temporary one when left out. */
  readonly dir?: string;
  /** Number of members; 1 when left out. */
  readonly members?: number;
  /** Size of the oplog in MB; mongod's own choice (5 % of the disk) when left out. */
  readonly oplogSizeMB?: number;
  /** Turns authentication on and makes this user. */
  readonly auth?: RootUser;
  /** WiredTiger's cache in GB for each member, at least 0.25; 1 when left out. */
  readonly cacheSizeGB?: number;
  /** Further arguments of mongod. */
  readonly args?: readonly string[];
  /** Path of the mongod to run; see `obtainMongod` when left out. */
  readonly binary?: string;
  /** Told when mongod has to be obtained first. */
  readonly onProgress?: OnProgress;
}

const PRIMARY_TIMEOUT_MS = 60_000;

/** A running replica set on 127.0.0.1. It ends with this process at the latest. */
export class ReplicaSet implements AsyncDisposable {
  /** A connection string for clients, with `replicaSet` and, with authentication, the credentials. */
  readonly uri: string;
  readonly members: readonly Member[];
  readonly #name: string;
  readonly #temporaryDir: string | undefined;

  /** @internal use {@link startReplicaSet} */
  constructor(
    name: string,
    members: readonly Member[],
    credentials: string,
    temporaryDir?: string,
  ) {
    this.#name = name;
    this.members = members;
    this.#temporaryDir = temporaryDir;
    const hosts = members.map(({ host }) => host).join(',');
    const authSource = credentials === '' ? '' : '&authSource=admin';
    this.uri = `mongodb://${credentials}${hosts}/?replicaSet=${name}${authSource}`;
  }

  /** Ends all members in an orderly way; removes the data, unless its folder was given. Safe to call twice; final. */
  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
    if (this.#temporaryDir !== undefined) {
      await rm(this.#temporaryDir, { recursive: true, force: true });
    }
  }

  /** Ends all members by a signal, SIGKILL unless said otherwise. The data stays, for `restart`. */
  async kill(signal?: NodeJS.Signals): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill(signal)));
  }

  /**
   * Ends what runs in an orderly way and starts all members again, on the same ports and data.
   *
   * @throws Error when a member does not start, or there is no primary after 60 seconds
   */
  async restart(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
    await Promise.all(this.members.map((member) => member.start()));
    await this.primary();
  }

  /**
   * Waits for a primary that takes writes.
   *
   * @throws Error after 60 seconds
   */
  async primary(): Promise<Member> {
    const deadline = Date.now() + PRIMARY_TIMEOUT_MS;
    while (Date.now() < deadline) {
      for (const member of this.members) {
        const hello = await member.hello().catch(() => undefined);
        if (hello?.['isWritablePrimary'] === true) return member;
      }
      await sleep(50);
    }
    const logs = this.members.map(({ logFile }) => logFile).join(', ');
    throw new Error(`replica set ${this.#name} has no primary after 60 s; see ${logs}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/**
 * Starts a replica set and waits until it has a primary.
 *
 * @throws Error with the last log lines of a member that does not start; nothing is left running then
 */
export async function startReplicaSet(options: ReplicaSetOptions): Promise<ReplicaSet> {
  if (!/^[\w-]+$/.test(options.name)) {
    throw new Error(
      `replica set name ${JSON.stringify(options.name)}: letters, digits, - and _ only`,
    );
  }
  const binary = options.binary ?? (await obtainMongod(options.onProgress ?? silent));
  const { version } = await checkProgram(binary);
  const temporary =
    options.dir === undefined
      ? await mkdtemp(join(tmpdir(), `changestream-migration-${options.name}-`))
      : undefined;
  const dir = options.dir ?? temporary ?? '';
  const record = join(dir, 'replica-set.json');
  let set: ReplicaSet | undefined;
  try {
    await mkdir(dir, { recursive: true });
    const kept = await keptPorts(record);
    const ports = await choosePorts(options, kept);
    const keyFile = options.auth && (await writeKeyFile(dir));
    const members = ports.map(
      (port) =>
        new Member({
          replicaSet: options.name,
          port,
          dir: join(dir, String(port)),
          binary,
          version,
          cacheSizeGB: options.cacheSizeGB ?? 1,
          args: options.args ?? [],
          ...(options.oplogSizeMB && { oplogSizeMB: options.oplogSizeMB }),
          ...(keyFile && { keyFile }),
          ...(temporary && { removeIfOrphaned: temporary }),
        }),
    );
    set = new ReplicaSet(options.name, members, credentialsOf(options.auth), temporary);
    await Promise.all(members.map((member) => member.start()));
    if (kept === undefined) await initiate(options.name, members);
    await set.primary();
    if (kept === undefined && options.auth) await createRoot(await set.primary(), options.auth);
    // Written last: a start that failed half-way is not taken for a set that is ready.
    await writeFile(record, JSON.stringify({ ports }));
    return set;
  } catch (error) {
    await set?.kill();
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** The ports of the set that lives in the folder already; a replica set's configuration names them. */
async function keptPorts(record: string): Promise<number[] | undefined> {
  const text = await readFile(record, 'utf8').catch(() => undefined);
  return text === undefined
    ? undefined
    : z.object({ ports: z.array(z.int()) }).parse(JSON.parse(text)).ports;
}

async function choosePorts(options: ReplicaSetOptions, kept?: number[]): Promise<number[]> {
  const count = options.members ?? kept?.length ?? 1;
  const { port } = options;
  if (kept !== undefined) {
    if (kept.length === count && (port === undefined || port === kept[0])) return kept;
    throw new Error(
      `${options.dir} holds a replica set of ${kept.length} on ports ${kept.join(', ')}: start it so`,
    );
  }
  const ports: number[] = [];
  while (ports.length < count) {
    ports.push(port === undefined ? await freePort() : port + ports.length);
  }
  return ports;
}

async function writeKeyFile(dir: string): Promise<string> {
  const path = join(dir, 'key');
  await writeFile(path, randomBytes(96).toString('base64'), { mode: 0o600, flag: 'wx' }).catch(
    (error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    },
  );
  return path;
}
