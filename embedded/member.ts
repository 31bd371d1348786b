import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { MongoClient } from 'mongodb';
import type { Document } from 'mongodb';
import { flags } from './flags.js';
import { Child, untilReady } from './child.js';
import { isAtLeast } from './program.js';

/** How one mongod is started. */
export interface MemberOptions {
  /** The replica set's name. */
  readonly replicaSet: string;
  readonly port: number;
  /** The member's own folder: `data` and `mongod.log` go there. */
  readonly dir: string;
  /** Path of the mongod to run. */
  readonly binary: string;
  /** Its version, such as `6.0.5`. */
  readonly version: string;
  readonly oplogSizeMB?: number;
  readonly cacheSizeGB: number;
  /** Path of the key file: turns authentication on. */
  readonly keyFile?: string;
  /** Further arguments, which come last. */
  readonly args: readonly string[];
  /** A folder to remove should this process die without stopping the member. */
  readonly removeIfOrphaned?: string;
}

const START_TIMEOUT_MS = 60_000;

/** mongod's arguments. Everything is bound to 127.0.0.1. */
export function memberArgs(options: MemberOptions): string[] {
  const { replicaSet, port, dir, version, oplogSizeMB, cacheSizeGB, keyFile, args } = options;
  return [
    ...flags(
      ['--replSet', replicaSet],
      ['--port', port],
      ['--bind_ip', '127.0.0.1'],
      ['--nounixsocket'],
      ['--dbpath', join(dir, 'data')],
      ['--oplogSize', oplogSizeMB],
      ['--wiredTigerCacheSizeGB', cacheSizeGB],
      ['--keyFile', keyFile],
      ['--setParameter', 'diagnosticDataCollectionEnabled=false'],
      // Otherwise a stopping server waits 15 s for clients to leave.
      [
        '--setParameter',
        isAtLeast(version, 5, 0) ? 'shutdownTimeoutMillisForSignaledShutdown=100' : undefined,
      ],
      ['--quiet'],
    ),
    ...args,
  ];
}

/** One mongod of a replica set. It can be killed and started again alone, on the same port and data. */
export class Member {
  readonly #options: MemberOptions;
  #child: Child | undefined;

  constructor(options: MemberOptions) {
    this.#options = options;
  }

  get port(): number {
    return this.#options.port;
  }

  /** `127.0.0.1:<port>`, as the replica set's configuration names it. */
  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** mongod's process id; `undefined` while it is not running. */
  get pid(): number | undefined {
    return this.#child?.running === true ? this.#child.pid : undefined;
  }

  /** The file with what mongod says. */
  get logFile(): string {
    return join(this.#options.dir, 'mongod.log');
  }

  /**
   * Starts mongod, unless it runs, and waits until it answers.
   *
   * @throws Error with the last lines of its log
   */
  async start(): Promise<void> {
    if (this.pid !== undefined) return;
    const { dir, binary, replicaSet, removeIfOrphaned } = this.#options;
    await mkdir(join(dir, 'data'), { recursive: true });
    const child = await Child.start({
      command: binary,
      args: memberArgs(this.#options),
      logFile: this.logFile,
      ...(removeIfOrphaned === undefined ? {} : { removeIfOrphaned }),
    });
    this.#child = child;
    try {
      await untilReady({
        child,
        what: `mongod of ${replicaSet} on port ${this.port}`,
        logFile: this.logFile,
        timeoutMs: START_TIMEOUT_MS,
        probe: async () => void (await this.hello()),
      });
    } catch (error) {
      await child.kill();
      throw error;
    }
  }

  /** Ends mongod in an orderly way, and waits. */
  async stop(): Promise<void> {
    await this.#child?.stop();
  }

  /** Ends mongod by a signal, SIGKILL unless said otherwise, and waits. */
  async kill(signal?: NodeJS.Signals): Promise<void> {
    await this.#child?.kill(signal);
  }

  /**
   * Lets no file of the running mongod grow beyond a size, as on a disk that is full; a new start knows
   * nothing of it.
   *
   * @param bytes the size; smaller than the files that it writes to, it can write nothing more
   * @returns whether this machine can do it: Linux can, with `prlimit`
   */
  async limitFileSize(bytes: number): Promise<boolean> {
    if (this.pid === undefined) throw new Error(`mongod on port ${this.port} is not running`);
    const limit = [`--pid=${this.pid}`, `--fsize=${bytes}`];
    const { failed, code } = await execa('prlimit', limit, { reject: false });
    if (failed && code !== 'ENOENT') throw new Error(`prlimit ${limit.join(' ')} has failed`);
    return !failed;
  }

  /** The answer to `hello`, which needs no authentication. @throws when mongod does not answer within 2 seconds */
  hello(): Promise<Document> {
    return this.withClient((client) => client.db('admin').command({ hello: 1 }));
  }

  /**
   * Does `work` with a client that talks to this member alone.
   *
   * @param credentials `user:password@`, encoded as in a connection string; nothing when left out
   */
  async withClient<T>(work: (client: MongoClient) => Promise<T>, credentials = ''): Promise<T> {
    const client = new MongoClient(`mongodb://${credentials}${this.host}/?directConnection=true`, {
      serverSelectionTimeoutMS: 2_000,
      connectTimeoutMS: 2_000,
    });
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  }
}
