import type { MongoClient } from 'mongodb';

/** What was asked of deployments a while ago: all that share a client need not ask again. */
export class Recent<T> {
  readonly #known = new WeakMap<MongoClient, { readonly at: number; readonly what: T }>();

  /** What is not older than so many ms. */
  get(client: MongoClient, ms: number): T | undefined {
    const known = this.#known.get(client);
    return known && performance.now() - known.at < ms ? known.what : undefined;
  }

  set(client: MongoClient, what: T): void {
    this.#known.set(client, { at: performance.now(), what });
  }

  forget(client: MongoClient): void {
    this.#known.delete(client);
  }
}
