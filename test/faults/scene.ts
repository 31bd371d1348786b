import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { MongoClient } from 'mongodb';
import type { Member, ReplicaSet } from '../../embedded/index.js';
import { Environment, type WorkerProcess } from '../e2e/environment.js';
import type { Dice } from '../soak/dice.js';
import { Proxy } from './proxy.js';

/** What a worker says when it has started, which takes long on a busy machine. */
const READY = 'ready: serving';
const POLL_MS = 100;
const ROOT = { user: 'root', password: 'root' };
/** User of the worker, which has what docs/privileges.md says, and may insert the marker at the source. */
export const MOVER = 'mover';

/** Why a fault or case of dump files is skipped. */
export const WITHOUT_DUMPS = 'a direct copy has no dump files';

export type Side = 'source' | 'target';

/** How the servers of a scene are to be. */
export interface SceneOptions {
  /** Members of each replica set: failover takes 3. Before a set of 1 there is a proxy. */
  readonly members: Readonly<Record<Side, 1 | 3>>;
  readonly patienceMs: number;
  /** Size of the source's oplog in MB; the server's own choice when left out. */
  readonly oplogSizeMB?: number;
}

/** Servers, networks and workers, with what faults do to them. */
export class Scene implements AsyncDisposable {
  readonly environment: Environment;
  readonly members: SceneOptions['members'];
  readonly #proxies: Readonly<Partial<Record<Side, Proxy>>>;
  readonly #uris: Readonly<Record<Side, string>>;
  readonly workers: WorkerProcess[] = [];
  handles: readonly WorkflowHandle[] = [];

  private constructor(
    environment: Environment,
    members: SceneOptions['members'],
    proxies: Scene['proxies'],
    uris: Record<Side, string>,
  ) {
    this.environment = environment;
    this.members = members;
    this.#proxies = proxies;
    this.#uris = uris;
  }

  /** Starts servers that know test commands and users, and a Temporal that keeps its workflows. */
  static async start({ members, patienceMs, oplogSizeMB }: SceneOptions): Promise<Scene> {
    const args = ['--setParameter', 'enableTestCommands=1'];
    const set = { args, auth: ROOT, cacheSizeGB: 0.25 };
    const environment = await Environment.start({
      patienceMs,
      source: {
        ...set,
        members: members.source,
        // A checkpoint every two seconds: the oplog keeps what came after the last one.
        ...(oplogSizeMB !== undefined && { oplogSizeMB, args: [...args, '--syncdelay', '2'] }),
      },
      target: { ...set, members: members.target },
      temporal: { keep: true },
    });
    const { source, target, sourceClient, targetClient } = environment;
    await prepareUsers(sourceClient);
    await prepareUsers(targetClient);
    const proxies = {
      ...(members.source === 1 && { source: await Proxy.start(portOf(source)) }),
      ...(members.target === 1 && { target: await Proxy.start(portOf(target)) }),
    };
    return new Scene(environment, members, proxies, {
      source: uriOf(source, proxies.source),
      target: uriOf(target, proxies.target),
    });
  }

  /** @returns why a fault cannot be here: it takes other servers, another network or dumps */
  lacks({ failover, proxied, dumps }: Fault, copy: 'dump' | 'direct'): string | undefined {
    if (failover !== undefined && this.members[failover] !== 3) {
      return `the ${failover} has one member`;
    }
    if (proxied && Object.keys(this.#proxies).length === 0) return 'there is no proxy before a set';
    return dumps && copy === 'direct' ? WITHOUT_DUMPS : undefined;
  }

  get proxies(): Readonly<Partial<Record<Side, Proxy>>> {
    return this.#proxies;
  }

  /** The worker that was started last. @throws when there is none */
  get worker(): WorkerProcess {
    const worker = this.workers.at(-1);
    if (!worker) throw new Error('no worker has been started');
    return worker;
  }

  /**
   * Starts another worker, of the usual build unless said otherwise, and waits until it serves.
   * @param env more variables; `undefined` takes one away
   * @throws Error with the last that it has written when it ends before that
   */
  async startWorker(
    env: Readonly<Record<string, string | undefined>> = {},
    program?: string,
  ): Promise<WorkerProcess> {
    const settings = {
      MONGODB_URI_SOURCE: this.#uris.source,
      MONGODB_URI_TARGET: this.#uris.target,
      CSM_LOG_FORMAT: 'json',
      ...env,
    };
    const worker = this.environment.startWorker(settings, program);
    this.workers.push(worker);
    while (!worker.log().includes(READY) && isRunning(worker)) await sleep(POLL_MS);
    // One that is to die by itself may have done so by now.
    if (!isRunning(worker) && env['CSM_TEST_FAILPOINT'] === undefined) {
      throw new Error(`the worker does not start: ${worker.log().slice(-500)}`);
    }
    return worker;
  }

  /** Ends the worker that was started last and starts another. */
  async restartWorker(
    signal: NodeJS.Signals,
    env?: Readonly<Record<string, string | undefined>>,
  ): Promise<void> {
    await this.worker.kill(signal);
    await this.startWorker(env);
  }

  set(side: Side): ReplicaSet {
    return this.environment[side];
  }

  client(side: Side): MongoClient {
    return side === 'source' ? this.environment.sourceClient : this.environment.targetClient;
  }

  /** Does work with a client of one member alone. */
  onMember<T>(member: Member, work: (client: MongoClient) => Promise<T>): Promise<T> {
    return member.withClient(work, `${ROOT.user}:${ROOT.password}@`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.environment.stop();
    for (const proxy of Object.values(this.#proxies)) await proxy[Symbol.asyncDispose]();
  }
}

/** Whether a worker's process has not ended. */
export function isRunning({ process }: WorkerProcess): boolean {
  return process.exitCode === null && process.signalCode === null;
}

/** A fault that a running migration has to get over by itself. */
export interface Fault {
  /** The side that has to have three members. */
  readonly failover?: Side;
  /** Whether it takes a network of the tests' own before a side. */
  readonly proxied?: true;
  /** Whether it hits the source's servers, so that applications cannot write for a while. */
  readonly hitsSource?: true;
  /** Whether it breaks dump files, which are there only while a copy runs: it has to come first. */
  readonly dumps?: true;
  /**
   * Does it, and sees that it has happened; returns when all that was broken is whole again.
   * @throws Skipped when it could not happen at this moment; Error when it has not happened
   */
  readonly run: (scene: Scene, dice: Dice) => Promise<void>;
}

/** Faults by the name that `--only` takes. */
export type Faults = Readonly<Record<string, Fault>>;

async function prepareUsers(client: MongoClient): Promise<void> {
  // The records of sessions and the count of rollbacks are for servers' own eyes.
  await client.db('admin').command({ grantRolesToUser: ROOT.user, roles: ['__system'] });
  const roles = [
    { role: 'readWrite', db: 'shop' },
    { role: 'dbAdmin', db: 'shop' },
  ];
  await client.db('admin').command({ createUser: MOVER, pwd: MOVER, roles });
}

/** What the worker connects with: a proxy stands before a set of one member. */
function uriOf({ uri }: ReplicaSet, proxy?: Proxy): string {
  if (!proxy) return uri.replace(`${ROOT.user}:${ROOT.password}@`, `${MOVER}:${MOVER}@`);
  const host = `127.0.0.1:${proxy.port}`;
  return `mongodb://${MOVER}:${MOVER}@${host}/?directConnection=true&authSource=admin`;
}

function portOf({ members }: ReplicaSet): number {
  const [member] = members;
  if (!member) throw new Error('a replica set without members');
  return member.port;
}
