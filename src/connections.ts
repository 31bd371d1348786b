import { MongoClient, type MongoClientOptions } from 'mongodb';
import type { Configuration } from './configuration.js';
import { errorTypes, PermanentError, TransientError } from './errors.js';
import './mongo/closed-connection.js';
import { didYouMean } from './nearest.js';
import { readHello } from './mongo/hello.js';

/** Milliseconds that closing may take: a server that is gone must not hold up a shutdown. */
const CLOSE_TIMEOUT = 5000;

/**
 * Options unless the connection string says otherwise. Every capture keeps a connection busy in a
 * waiting getMore, and one worker carries hundreds of them, so the driver's 100 would not do.
 */
const DEFAULTS = {
  appName: 'changestream-migration',
  maxPoolSize: 500,
  serverSelectionTimeoutMS: 10_000,
} satisfies MongoClientOptions;

const aliasesOfClients = new WeakMap<MongoClient, string>();

/** The alias that a client is of. */
export function aliasOf(client: MongoClient): string | undefined {
  return aliasesOfClients.get(client);
}

/** The MongoDB deployments that this worker knows: one client each, connected on first use. */
export class Connections {
  readonly #uris: Configuration['uris'];
  readonly #clients = new Map<string, MongoClient>();
  readonly #pinned = new Map<string, MongoClient>();
  readonly #opened = new Set<MongoClient>();

  private constructor(uris: Configuration['uris']) {
    this.#uris = uris;
  }

  static from(configuration: Pick<Configuration, 'uris'>): Connections {
    return new Connections(configuration.uris);
  }

  /** Aliases that this worker knows, in alphabetical order. */
  aliases(): string[] {
    return [...this.#uris.keys()].toSorted();
  }

  /**
   * The connection string of an alias, for the tools that need one. It goes nowhere else.
   *
   * @throws PermanentError InvalidInput when the worker does not know the alias
   */
  uri(alias: string): string {
    const uri = this.#uris.get(alias);
    if (uri !== undefined) return uri.reveal();
    throw new PermanentError(errorTypes.invalidInput, this.#explainUnknown(alias));
  }

  /**
   * Looks whether the worker knows these aliases, where a migration is under way that another worker has
   * begun: that this one does not is mended by a person, and the migration goes on.
   *
   * @throws TransientError InvalidInput when the worker does not know one of them
   */
  require(aliases: readonly string[]): void {
    const unknown = aliases.find((alias) => !this.#uris.has(alias));
    if (unknown === undefined) return;
    throw new TransientError(errorTypes.invalidInput, this.#explainUnknown(unknown));
  }

  /**
   * The one client of an alias. It connects by itself at its first operation. Ask for it anew in
   * every attempt: a client whose first connection failed is of no more use and is replaced here.
   *
   * @throws PermanentError InvalidInput when the worker does not know the alias
   */
  get(alias: string): MongoClient {
    return this.#clients.get(alias) ?? this.#open(this.#clients, alias, this.uri(alias));
  }

  /**
   * A client whose commands all meet the same server process, for a cursor driven command by
   * command: one mongos does not know the cursors of another. With a replica set, or with a single
   * host, it is the alias's ordinary client.
   *
   * Call it anew in every attempt: when the mongos it was pinned to is gone, it chooses another.
   *
   * @throws PermanentError InvalidInput when the worker does not know the alias
   * @throws MongoServerSelectionError when no server answers
   */
  async pinned(alias: string): Promise<MongoClient> {
    const client = this.get(alias);
    const hello = await readHello(client.db('admin'));
    if (hello['msg'] !== 'isdbgrid') return client;
    // The driver puts what it has resolved from mongodb+srv:// here too.
    const hosts = client.options.hosts.map(String);
    if (hosts.length < 2) return client;

    const before = this.#pinned.get(alias);
    if (before !== undefined && (await answers(before))) return before;
    const meanwhile = this.#pinned.get(alias);
    if (meanwhile !== undefined && meanwhile !== before) return meanwhile;
    const lost = before?.options.hosts.map(String)[0];
    const candidates = hosts.filter((host) => host !== lost);
    const host = candidates[Math.floor(Math.random() * candidates.length)] ?? hosts[0];
    return this.#open(this.#pinned, alias, onlyHost(this.uri(alias), host ?? ''));
  }

  /** Closes every client; safe to call twice. */
  async close(): Promise<void> {
    const clients = [...this.#opened];
    this.#opened.clear();
    this.#clients.clear();
    this.#pinned.clear();
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_TIMEOUT);
    });
    await Promise.race([Promise.allSettled(clients.map((client) => client.close())), timeout]);
    clearTimeout(timer);
  }

  #explainUnknown(alias: string): string {
    const known = this.aliases();
    return (
      `unknown alias "${alias}"${didYouMean(alias, known)}: this worker knows ${known.join(', ')}; ` +
      `set MONGODB_URI_${alias.toUpperCase()} on the worker and start it again`
    );
  }

  #open(clients: Map<string, MongoClient>, alias: string, uri: string): MongoClient {
    const given = optionNames(uri);
    const defaults = Object.entries(DEFAULTS).filter(([name]) => !given.has(name.toLowerCase()));
    const client = new MongoClient(uri, Object.fromEntries(defaults));
    clients.set(alias, client);
    aliasesOfClients.set(client, alias);
    this.#opened.add(client);
    // The driver closes a client's topology for good when its first connection fails.
    client.once('topologyClosed', () => {
      this.#opened.delete(client);
      if (clients.get(alias) === client) clients.delete(alias);
    });
    return client;
  }
}

async function answers(client: MongoClient): Promise<boolean> {
  try {
    await client.db('admin').command({ ping: 1 });
    return true;
  } catch {
    return false;
  }
}

function optionNames(uri: string): Set<string> {
  const [, query = ''] = uri.split('?');
  return new Set([...new URLSearchParams(query).keys()].map((name) => name.toLowerCase()));
}

/**
 * The same connection string with one host. A mongodb+srv:// one keeps its options from DNS and is
 * told to use one of its hosts, because options that come from DNS cannot be written down here.
 */
export function onlyHost(uri: string, host: string): string {
  const [, scheme = '', userInfo = '', rest = ''] =
    /^(mongodb(?:\+srv)?:\/\/)([^@/?]*@)?[^/?]*(.*)$/s.exec(uri) ?? [];
  if (scheme === 'mongodb://') return `${scheme}${userInfo}${host}${rest}`;
  const [path = '', query = ''] = rest.split('?');
  const options = new URLSearchParams(query);
  options.set('srvMaxHosts', '1');
  return `${uri.slice(0, uri.length - rest.length)}${path || '/'}?${options.toString()}`;
}
