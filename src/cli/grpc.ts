// gRPC's numbers, as https://grpc.io/docs/guides/status-codes lists them.
const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
const PERMISSION_DENIED = 7;
const FAILED_PRECONDITION = 9;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/** gRPC's code of an error, or of the one that has caused it. */
export function grpcCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  if ('code' in error && typeof error.code === 'number') return error.code;
  return 'cause' in error ? grpcCode(error.cause) : undefined;
}

/** Nobody has answered in time; Temporal says "failed precondition" where no worker asks for work. */
export function isUnanswered(error: unknown): boolean {
  return [CANCELLED, DEADLINE_EXCEEDED, FAILED_PRECONDITION].includes(grpcCode(error) ?? -1);
}

/** Temporal itself is away: it may be back soon. */
export function isAway(error: unknown): boolean {
  return [DEADLINE_EXCEEDED, UNAVAILABLE].includes(grpcCode(error) ?? -1);
}

/** Temporal cannot be used: it is away, or it refuses. */
export function isUnusable(error: unknown): boolean {
  return isAway(error) || [PERMISSION_DENIED, UNAUTHENTICATED].includes(grpcCode(error) ?? -1);
}
