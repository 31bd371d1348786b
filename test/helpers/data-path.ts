import {
  type ClientSession,
  type Collection,
  type Db,
  type Document,
  MongoClient,
  type Timestamp,
} from 'mongodb';
import { type ReplicaSet, type ReplicaSetOptions, startReplicaSet } from '../../embedded/index.js';
import { Buffered, collectionUuid, createBuffer } from '../../src/mongo/buffer.js';
import { decodeBundle } from '../../src/mongo/bundle.js';
import { captureChanges, type CaptureCommit } from '../../src/mongo/capture.js';
import { readStartToken } from '../../src/mongo/change-stream.js';
import { Control } from '../../src/mongo/control.js';
import type { ControlDocument } from '../../src/mongo/control-document.js';
import type { InsertOptions } from '../../src/mongo/direct-copy.js';
import type { ReadLimits } from '../../src/mongo/pace.js';
import { asBuffer, fields, idOf } from '../../src/mongo/raw.js';
import { RawCursor } from '../../src/mongo/raw-cursor.js';
import { Refusals } from '../../src/mongo/refusals.js';
import { retryRefused } from '../../src/mongo/replay.js';
import { replayRanges } from '../../src/mongo/replay-loop.js';
import { bufferName } from '../../src/names.js';
import type { Id } from './bson.js';
import type { ResumeToken } from '../../src/mongo/token.js';

/** Documents with an `_id` of any type. */
export interface Any extends Document {
  _id: Id;
}

/** Option of inserts: without it the driver replaces `_id: null` with an ObjectId. */
export const AS_IT_IS = { forceServerObjectId: true } as const;

/** A replica set of one, and a client. */
export class TestMongo implements AsyncDisposable {
  readonly server: ReplicaSet;
  readonly client: MongoClient;

  private constructor(server: ReplicaSet, client: MongoClient) {
    this.server = server;
    this.client = client;
  }

  static async start(
    name: string,
    args: readonly string[] = [],
    auth?: ReplicaSetOptions['auth'],
  ): Promise<TestMongo> {
    const server = await startReplicaSet({ name, cacheSizeGB: 0.5, args, ...(auth && { auth }) });
    return new TestMongo(server, await MongoClient.connect(server.uri));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await this.server.stop();
  }
}

/** A fence for what has no rival. */
export const unfenced = async (): Promise<void> => undefined;

let serial = 0;

/** How a migration is played through. */
export interface PathOptions {
  /** Options of the collection, on both sides. */
  readonly collection?: Document;
  readonly exactOnly?: boolean;
  readonly capped?: boolean;
  /** As `CLUSTERED` has it, with the option of the collection. */
  readonly clustered?: boolean;
}

/** A clustered collection. */
export const CLUSTERED: PathOptions = {
  clustered: true,
  collection: { clusteredIndex: { key: { _id: 1 }, unique: true } },
};

/** The data path of one collection, step by step and without Temporal. */
export class DataPath {
  /** How often a capture has said that its work has moved. */
  touches = 0;
  /** How much had been applied each time that a replay told it. */
  readonly applied: number[] = [];
  readonly source: Db;
  readonly target: Db;
  readonly name: string;
  readonly control: Control;
  readonly start: ResumeToken;
  readonly commits: CaptureCommit[] = [];
  /** The same, of captures that are under way or were ended too. */
  readonly committed: CaptureCommit[] = [];
  readonly #options: PathOptions;

  private constructor(
    source: Db,
    name: string,
    control: Control,
    start: ResumeToken,
    options: PathOptions,
  ) {
    this.source = source;
    this.target = control.db;
    this.name = name;
    this.control = control;
    this.start = start;
    this.#options = options;
  }

  /** Creates both collections, claims the target and fixes the position. */
  static async begin(client: MongoClient, options: PathOptions = {}): Promise<DataPath> {
    serial += 1;
    const name = `orders${serial}`;
    const source = client.db('source');
    const target = client.db('target');
    await source.createCollection(name, options.collection);
    await target.createCollection(name, options.collection);
    return DataPath.between(source, target, name, options);
  }

  /** Claims the target for collections that are there, and fixes the position. */
  static async between(
    source: Db,
    target: Db,
    name: string,
    options: PathOptions = {},
  ): Promise<DataPath> {
    const control = controlOf(target, name);
    await control.claim();
    const bufferUuid = await createBuffer(target, name);
    const start = await readStartToken(source, name);
    await control.set({ startToken: start, bufferUuid });
    return new DataPath(source, name, control, start, options);
  }

  get orders(): Collection<Any> {
    return this.source.collection<Any>(this.name);
  }

  get copy(): Collection<Any> {
    return this.target.collection<Any>(this.name);
  }

  get buffer(): Collection<Any> {
    return this.target.collection<Any>(bufferName(this.name));
  }

  /**
   * Captures all that has happened until now, from where the last capture ended; with a signal until it is given,
   * which throws.
   */
  async capture(
    from?: ResumeToken,
    signal?: AbortSignal,
    limits?: ReadLimits,
  ): Promise<CaptureCommit[]> {
    const taken = must(await this.control.takeEpoch('capture'));
    const commits: CaptureCommit[] = [];
    await this.captureFrom(from ?? taken.capture.through ?? this.start, {
      ...(signal ? { signal } : { until: await this.now() }),
      limits,
      onCommit: async (commit) => {
        commits.push(commit);
        this.committed.push(commit);
        const { token, time, asOf, readAsOf, events, buffered, bytes } = commit;
        const set = { through: token, time, asOf, readAsOf };
        await this.control.advance('capture', taken.capture.epoch, set, {
          events,
          buffered,
          bytes,
        });
      },
    });
    this.commits.push(...commits);
    return commits;
  }

  /** Captures from a token without recording it. */
  async captureFrom(
    start: ResumeToken,
    options: {
      readonly until?: Timestamp;
      readonly signal?: AbortSignal;
      readonly limits?: ReadLimits | undefined;
      readonly silenceMs?: number;
      /** In place of its own. */
      readonly buffer?: Buffered;
      readonly onWait?: (what: 'reply' | 'limit') => Promise<void>;
      readonly onCommit?: (commit: CaptureCommit) => Promise<void>;
    },
  ): Promise<void> {
    const { bufferUuid } = await this.control.read();
    const { until, signal, limits, silenceMs, buffer, onWait, onCommit } = options;
    await captureChanges({
      source: this.source,
      collection: this.name,
      buffer: buffer ?? (await Buffered.open(this.target, this.name, bufferUuid)),
      start,
      limits,
      ...(silenceMs !== undefined && { silenceMs }),
      ...(onWait && { onWait }),
      ...(until && { until }),
      maxAwaitMs: 50,
      natural: this.#options.capped ?? false,
      clustered: this.#options.clustered,
      signal: signal ?? new AbortController().signal,
      touch: () => {
        this.touches += 1;
      },
      onCommit: onCommit ?? (async () => undefined),
    });
  }

  /** Applies all that is captured, so many changes at once at most. @returns the number of changes applied. */
  async replay(batch?: number, idle?: () => Promise<ControlDocument | void>): Promise<number> {
    await using session = this.target.client.startSession({ causalConsistency: false });
    const taken = must(await this.control.takeEpoch('replay'));
    return await replayRanges({
      ...this.replayTarget(taken),
      session,
      start: taken.replay,
      batch: () => batch,
      ...(idle && { idle }),
      onProgress: ({ applied }) => this.applied.push(applied),
    });
  }

  /** Tries the documents again that the target did not take. */
  async retryRefused(): Promise<void> {
    await using session = this.target.client.startSession({ causalConsistency: false });
    const taken = must(await this.control.takeEpoch('replay'));
    await retryRefused({ ...this.replayTarget(taken), session }, taken.capture.time);
  }

  /** What a replay of this epoch works on, but for the session. */
  replayTarget({ replay: { epoch } }: ControlDocument) {
    const fence = (session: ClientSession) => this.control.fenceReplay(epoch, session);
    return {
      db: this.target,
      collection: this.name,
      source: this.source,
      sourceCollection: this.name,
      control: this.control,
      epoch,
      fence,
      check: () => this.control.check('replay', epoch),
      refusals: new Refusals(this.control, fence),
      exactOnly: this.#options.exactOnly ?? false,
      capped: this.#options.capped ?? false,
      clustered: this.#options.clustered,
      signal: new AbortController().signal,
      touch: () => undefined,
    };
  }

  /** How a copy inserts into the target. */
  async insertOptions(ordered = false): Promise<InsertOptions> {
    return {
      target: this.target,
      targetCollection: this.name,
      targetUuid: await collectionUuid(this.target, this.name),
      ordered,
      fence: unfenced,
      signal: new AbortController().signal,
      touch: () => undefined,
    };
  }

  /** Captures and applies everything. */
  async follow(): Promise<void> {
    await this.capture();
    await this.replay();
  }

  /** The source's operation time. */
  async now(): Promise<Timestamp> {
    const { operationTime }: { operationTime?: Timestamp } = await this.source.command({ ping: 1 });
    return must(operationTime);
  }

  /** The buffer's changes in stream order: kind and changed `_id`, and the token of the bundle that each is in. */
  async changes(): Promise<
    { token: string; key: string; kind: string; id: string; bytes: Buffer }[]
  > {
    const entries = await readRaw(this.target, bufferName(this.name));
    return entries.flatMap((entry) => {
      const [{ key, token }, encoded] = decodeBundle(entry);
      return encoded.map((bytes) => {
        const found = fields(bytes);
        const kind = asBuffer(must(found.get('o')).bytes)
          .toString('latin1')
          .slice(4, -1);
        return {
          token,
          key,
          kind,
          id: must(fields(must(found.get('k')).bytes).get('i')).key,
          bytes,
        };
      });
    });
  }

  /** Both sides' documents by the bytes of their `_id`, in natural order. */
  async sides(): Promise<{ source: Map<string, Buffer>; target: Map<string, Buffer> }> {
    return {
      source: byId(await readRaw(this.source, this.name)),
      target: byId(await readRaw(this.target, this.name)),
    };
  }

  /** The servers' own hash of each side. */
  async hashes(): Promise<{ source: string; target: string }> {
    const hash = async (db: Db): Promise<string> => {
      const reply = await db.command({ dbHash: 1, collections: [this.name] });
      return String(reply['collections'][this.name]);
    };
    return { source: await hash(this.source), target: await hash(this.target) };
  }
}

/** The control document of a collection, as one run sees it. */
export function controlOf(target: Db, name: string, runId = 'run-1', round = 0): Control {
  const namespace = `source.${name}`;
  const targetNamespace = `${target.databaseName}.${name}`;
  const workflowId = `migrate:source:${namespace}`;
  const identity = { workflowId, runId, source: 'source', namespace, targetNamespace, round };
  return new Control(target, identity);
}

/** All documents of a collection as bytes, in natural order. */
export async function readRaw(db: Db, name: string): Promise<Buffer[]> {
  const documents: Buffer[] = [];
  await using cursor = await RawCursor.open(db, { find: name });
  for await (const batch of cursor)
    documents.push(...batch.documents.map((one) => Buffer.from(one)));
  return documents;
}

/** The text of a token. */
export function tokenOf(token: ResumeToken | undefined): string {
  const { _data: data } = must(token);
  return data;
}

/** The value. @throws when there is none. */
export function must<T>(value: T | undefined | null): T {
  if (value === undefined || value === null) throw new Error('a value was expected');
  return value;
}

function byId(documents: readonly Buffer[]): Map<string, Buffer> {
  return new Map(documents.map((document) => [idOf(document).key, document]));
}

/** Lets index builds of a server that takes test commands begin and not end, unless the collection is empty. */
export async function holdIndexBuilds(client: MongoClient): Promise<{ off(): Promise<void> }> {
  const set = async (mode: 'alwaysOn' | 'off'): Promise<void> => {
    const command = { configureFailPoint: 'hangAfterStartingIndexBuild', mode };
    await client.db('admin').command(command);
  };
  await set('alwaysOn');
  return { off: () => set('off') };
}
