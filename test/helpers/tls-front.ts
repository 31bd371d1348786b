import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:tls';
import type { Identity } from './certificates.js';

/** Speaks TLS for a server that cannot, as a load balancer does. Clients need a certificate too. */
export class TlsFront implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param authority PEM of the one that has signed the clients' certificates */
  static async start(
    backend: string,
    { certificate, key }: Identity,
    authority: string,
  ): Promise<TlsFront> {
    const [host = '', port = ''] = backend.split(':');
    const server = createServer(
      {
        cert: certificate,
        key,
        ca: authority,
        requestCert: true,
        rejectUnauthorized: true,
        // gRPC clients give up where nobody offers HTTP/2.
        ALPNProtocols: ['h2'],
      },
      (near) => {
        const far = connect(Number(port), host);
        near.pipe(far).pipe(near);
        for (const [one, other] of [
          [near, far],
          [far, near],
        ] as const) {
          one.on('error', () => undefined);
          one.on('close', () => other.destroy());
        }
      },
    );
    // A client that does not trust this server ends the handshake.
    server.on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TlsFront(server);
  }

  /** `127.0.0.1:<port>` for clients. */
  get address(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `127.0.0.1:${port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
  }
}
