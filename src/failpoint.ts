/** Moments between an effect and the record of it, at which tests end the worker. */
export type Failpoint =
  | 'token-read'
  | 'changes-stored'
  | 'range-applied'
  | 'partition-copied'
  | 'staging-renamed'
  | 'cutover-held'
  | 'cutover-drained'
  | 'cutover-enforced'
  | 'buffer-dropped';

const wanted = process.env['CSM_TEST_FAILPOINT'];

/** Ends this process as `kill -9` does, where a test has asked for it by `CSM_TEST_FAILPOINT`. */
export function failpoint(name: Failpoint): void {
  if (name === wanted) process.kill(process.pid, 'SIGKILL');
}
