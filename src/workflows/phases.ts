/** Where a migration stands. `completed`, `aborted` and `failed` are final. */
export type Phase =
  | 'preflight'
  | 'copying'
  | 'waiting'
  | 'replaying'
  | 'ready'
  | 'cuttingOver'
  | 'completed'
  | 'aborted'
  | 'failed';

const finalPhases: readonly Phase[] = ['completed', 'aborted', 'failed'];

/** Whether nothing follows. */
export function isFinal(phase: Phase): boolean {
  return finalPhases.includes(phase);
}

/** The way of a migration without incident, for the table that people see. */
export const storyPhases = [
  ['preflight', 'Preflight: both sides are looked at, nothing is written'],
  ['copying', 'Copy: documents are copied, changes are kept in the buffer'],
  ['waiting', 'Waiting for `restore`'],
  ['replaying', 'Replay: changes are applied, documents are compared'],
  ['ready', 'Ready: the target follows the source, waiting for `cutover`'],
  ['cuttingOver', 'Cutover: fence, last changes, indexes'],
  ['completed', 'Completed: applications use the target'],
] as const satisfies readonly (readonly [Phase, string])[];
