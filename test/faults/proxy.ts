import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../embedded/index.js';

/** A network between a worker and one server, which can be cut and stalled. */
export class Proxy implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #isStalled = false;
  #restMs = 0;
  #rests = 0;

  private constructor(port: number, target: number) {
    this.port = port;
    this.#server = createServer((near) => this.#connect(near, target));
  }

  /** Listens on a free port of this machine and hands everything on to another one. */
  static async start(target: number): Promise<Proxy> {
    const proxy = new Proxy(await freePort(), target);
    proxy.#server.listen(proxy.port, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** Cuts all connections, as a firewall does that has been started again. @returns how many there were */
  cut(): number {
    const cut = this.#pairs.size;
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
    return cut;
  }

  /** Nothing gets through for a while, and nobody is told. @returns how many connections there were */
  async stall(ms: number): Promise<number> {
    this.#isStalled = true;
    const stalled = this.#pairs.size;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
    await sleep(ms);
    this.#isStalled = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
    return stalled;
  }

  /**
   * Everything takes longer for a while: each read of up to 64 KiB is followed by a rest.
   * @returns how many rests there were
   */
  async slow(restMs: number, ms: number): Promise<number> {
    const before = this.#rests;
    this.#restMs = restMs;
    await sleep(ms);
    this.#restMs = 0;
    return this.#rests - before;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.cut();
  }

  #connect(near: Socket, target: number): void {
    const far = createConnection({ host: '127.0.0.1', port: target });
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    for (const [one, other] of [pair, [far, near] as const]) {
      one.setNoDelay(true);
      one.on('data', (bytes) => {
        const isFull = !other.write(bytes);
        if (isFull || this.#restMs > 0) one.pause();
        if (this.#restMs > 0) {
          this.#rests += 1;
          setTimeout(() => this.#goOn(one, other), this.#restMs);
        }
      });
      one.on('drain', () => this.#goOn(other, one));
      // Either side's end is the end of both, in whichever way.
      one.on('error', () => undefined);
      one.on('close', () => {
        this.#pairs.delete(pair);
        other.destroy();
      });
      if (this.#isStalled) one.pause();
    }
  }

  /** Reads on, unless nothing gets through now or what has been read is not written yet. */
  #goOn(from: Socket, to: Socket): void {
    if (!this.#isStalled && !to.writableNeedDrain) from.resume();
  }
}
