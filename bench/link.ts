import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { freePort } from '../embedded/index.js';
import type { Environment } from '../test/e2e/environment.js';

/** A network link to one server that lets so many bytes through in a second, in either direction, for all connections together. */
export class Link implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #bytesPerMs: number;
  /** When each direction is free again, in ms of the process's clock. */
  readonly #outward = { freeAt: 0 };
  readonly #inward = { freeAt: 0 };

  private constructor(port: number, target: number, bytesPerSecond: number) {
    this.port = port;
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#server = createServer((near) => {
      const far = createConnection({ host: '127.0.0.1', port: target });
      this.#forward(near, far, this.#outward);
      this.#forward(far, near, this.#inward);
    });
  }

  /** @param target port of the server, on this machine. */
  static async start(target: number, bytesPerSecond: number): Promise<Link> {
    const link = new Link(await freePort(), target, bytesPerSecond);
    link.#server.listen(link.port, '127.0.0.1');
    await once(link.#server, 'listening');
    return link;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #forward(from: Socket, to: Socket, direction: { freeAt: number }): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('data', (bytes) => {
      const now = performance.now();
      direction.freeAt = Math.max(now, direction.freeAt) + bytes.length / this.#bytesPerMs;
      from.pause();
      setTimeout(() => {
        if (to.write(bytes)) from.resume();
        else to.once('drain', () => from.resume());
      }, direction.freeAt - now);
    });
    from.on('error', () => undefined);
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}

/** A worker's network: one link to the source and one to the target. */
export class Links implements AsyncDisposable {
  readonly #source: Link;
  readonly #target: Link;

  private constructor(source: Link, target: Link) {
    this.#source = source;
    this.#target = target;
  }

  static async start({ source, target }: Environment, bytesPerSecond: number): Promise<Links> {
    const linkTo = (uri: string) => Link.start(Number(new URL(uri).port), bytesPerSecond);
    return new Links(await linkTo(source.uri), await linkTo(target.uri));
  }

  /** Variables of a worker that has this network. @param options more of its connection strings */
  env(options = ''): Readonly<Record<string, string>> {
    const uriOf = ({ port }: Link) =>
      `mongodb://127.0.0.1:${port}/?directConnection=true${options}`;
    return { MONGODB_URI_SOURCE: uriOf(this.#source), MONGODB_URI_TARGET: uriOf(this.#target) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#source, this.#target].map((link) => link[Symbol.asyncDispose]()));
  }
}
