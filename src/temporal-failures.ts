import { isGrpcServiceError } from '@temporalio/client';

// gRPC's numbers, as https://grpc.io/docs/guides/status-codes lists them.
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;
/** How the native part words the last two when they stop a connection from being made. */
const REFUSED = /does not have valid authentication credentials|does not have permission/;

/**
 * Why Temporal cannot be used, and what to do, in words; for errors of the worker's native connection and
 * of the client's alike. The message may repeat what the server said: redact it.
 */
export function explainTemporal(error: unknown, address: string, namespace: string): string {
  const message = error instanceof Error ? error.message : String(error);
  const code: number | undefined = isGrpcServiceError(error) ? error.code : undefined;
  if (code === NOT_FOUND) {
    return (
      `Temporal at ${address} has no namespace "${namespace}": correct TEMPORAL_NAMESPACE, or create ` +
      `it with "temporal operator namespace create --namespace ${namespace}"`
    );
  }
  if (code === PERMISSION_DENIED || code === UNAUTHENTICATED || REFUSED.test(message)) {
    return (
      `Temporal at ${address} refuses access to namespace "${namespace}": check TEMPORAL_API_KEY or ` +
      `the client certificate (${message})`
    );
  }
  if (message.includes('InvalidContentType')) {
    return `Temporal at ${address} does not speak TLS: check TEMPORAL_TLS and TEMPORAL_ADDRESS`;
  }
  const untrusted = /InvalidCertificate\((\w+)/.exec(message)?.[1];
  if (untrusted !== undefined) {
    return (
      `Temporal at ${address} has a certificate that is not trusted (${untrusted}): check ` +
      'TEMPORAL_TLS_SERVER_CA_CERT_PATH, and TEMPORAL_TLS_SERVER_NAME if it is reached by another name'
    );
  }
  if (message.includes('CertificateRequired')) {
    return (
      `Temporal at ${address} wants a client certificate: set TEMPORAL_TLS_CLIENT_CERT_PATH and ` +
      'TEMPORAL_TLS_CLIENT_KEY_PATH'
    );
  }
  return `no Temporal server at ${address} (${readable(message)})`;
}

// The native part prints its errors the way Rust does for programmers; the words are in quotes.
function readable(message: string): string {
  if (!message.startsWith('tonic::')) return message;
  return [...message.matchAll(/(?:message|error): "([^"]+)"/g)].at(-1)?.[1] ?? message;
}
