import { type Db, type Document, MongoClient } from 'mongodb';
import type { Profile } from './collections.js';
import { Lane } from './lane.js';
import type { SoakOptions } from './options.js';
import { send } from './send.js';
import { Tally } from './tally.js';
import { ShapeWriter } from './shape-writer.js';
import { Writer } from './writer.js';

const DOCUMENTS_PER_INSERT = 1_000;
const BYTES_PER_INSERT = 20 * 1024 * 1024;

/** The collections of a soak at the source, and the applications that write to them. */
export class Source {
  readonly profiles: readonly Profile[];
  readonly tally = new Tally();
  readonly #client: MongoClient;
  readonly #db: Db;
  readonly #lanes: ReadonlyMap<Profile, readonly Lane[]>;
  readonly #seed: number;
  #writers: readonly (Writer | ShapeWriter)[] = [];

  constructor(uri: string, profiles: readonly Profile[], seed: number) {
    this.profiles = profiles;
    this.#seed = seed;
    // Replies have texts in them that are no UTF-8.
    this.#client = new MongoClient(uri, { enableUtf8Validation: false });
    this.#db = this.#client.db('shop');
    this.#lanes = new Map(
      profiles.map((profile) => [
        profile,
        Array.from({ length: profile.lanes }, (_, number) => new Lane(profile, seed, number)),
      ]),
    );
  }

  /** Creates and fills the collections. @returns what the server took, and what it did not, by collection */
  async load(): Promise<string[]> {
    const lines: string[] = [];
    for (const [profile, lanes] of this.#lanes) {
      const { name, options, indexes } = profile;
      await this.#db.command({ create: name, ...options });
      if (indexes.length > 0) await this.#db.command({ createIndexes: name, indexes });
      const refusals = new Map<number, { count: number; message: string }>();
      let loaded = 0;
      for (const lane of lanes) {
        for (const documents of batches(lane.load())) {
          const errors = await this.#insert(lane.insert(...documents));
          loaded += documents.length - errors.length;
          for (const { code, errmsg } of errors) {
            const { count, message } = refusals.get(code) ?? { count: 0, message: errmsg };
            refusals.set(code, { count: count + 1, message });
          }
        }
      }
      lines.push(`${JSON.stringify(name)} (${profile.kind}): ${loaded} documents`);
      for (const [code, { count, message }] of refusals) {
        lines.push(`  refused ${count}x ${code}: ${message.slice(0, 150)}`);
      }
    }
    return lines;
  }

  /** Lets the writers write. `mayFail`: the servers are hit, and what is then lost is not made up for. */
  start(
    { rate, everything }: Pick<SoakOptions, 'rate' | 'everything'>,
    mayFail: boolean,
    onFailure: (error: unknown) => void,
  ): void {
    const writers = [...this.#lanes].flatMap(([profile, lanes]) =>
      lanes.map((lane) => {
        const perSecond = (rate * profile.share) / lanes.length;
        return new Writer(this.#db, profile, lane, perSecond, this.tally, mayFail);
      }),
    );
    const shapes = new ShapeWriter(this.#db, this.profiles, this.#seed, this.tally);
    this.#writers = everything ? [...writers, shapes] : writers;
    for (const writer of this.#writers) writer.start(onFailure);
  }

  /** Ends all writing; returns when the last change is acknowledged. */
  async stop(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.stop()));
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #insert(command: Document): Promise<{ code: number; errmsg: string }[]> {
    const reply = await send(this.#db, command);
    return (reply['writeErrors'] ?? []) as { code: number; errmsg: string }[];
  }
}

function* batches(documents: Iterable<Buffer>): Generator<readonly Buffer[]> {
  let [batch, bytes]: [Buffer[], number] = [[], 0];
  for (const document of documents) {
    batch.push(document);
    bytes += document.length;
    if (batch.length < DOCUMENTS_PER_INSERT && bytes < BYTES_PER_INSERT) continue;
    yield batch;
    [batch, bytes] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}
