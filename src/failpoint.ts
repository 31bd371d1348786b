/** Moments between an effect and the record of it, or a look and what follows it, at which tests end or freeze the worker. */
export type Failpoint =
  | 'token-read'
  | 'changes-stored'
  | 'range-applied'
  | 'partition-copied'
  | 'staging-renamed'
  | 'round-begun'
  | 'copy-dropped'
  | 'cutover-checked'
  | 'cutover-held'
  | 'cutover-drained'
  | 'cutover-enforced'
  | 'buffer-dropped';

/** What is to happen there: a moment's name, or that and `:out-of-memory` or `:freeze`. */
const [wanted, how] = (process.env['CSM_TEST_FAILPOINT'] ?? '').split(':');

/** Numbers of one array: 8 MB. */
const PIECE = 1_000_000;

/**
 * Ends this process, where a test has asked for it by `CSM_TEST_FAILPOINT`: as `kill -9` does, or by
 * using memory until V8 gives up; or stops it until somebody sends `SIGCONT`.
 */
export function failpoint(name: Failpoint): void {
  if (name !== wanted) return;
  if (how === 'freeze') {
    process.kill(process.pid, 'SIGSTOP');
    return;
  }
  if (how !== 'out-of-memory') process.kill(process.pid, 'SIGKILL');
  for (const kept: number[][] = []; ;) kept.push(Array.from({ length: PIECE }, Math.random));
}
