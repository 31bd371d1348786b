/** How `csm` ends, for scripts. The numbers do not change. */
export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  noTemporal: 4,
  noWorker: 5,
  refused: 6,
  ended: 7,
  different: 8,
  interrupted: 130,
} as const;

export type ExitName = keyof typeof exitCodes;

/** What each means, for `--help` and the documentation. */
export const exitMeanings: Readonly<Record<ExitName, string>> = {
  ok: 'what was asked for is done',
  failure: 'something else; the message says what',
  usage: 'the command line cannot be understood, or holds a connection string',
  notFound: 'there is no migration of that name',
  noTemporal: 'Temporal cannot be reached, refuses, or does not know the namespace',
  noWorker: 'no worker answers',
  refused: 'refused: a cutover, a second start, or by "csm preflight" or "csm doctor"',
  ended: 'the migration (its preflight too) or comparison failed or was aborted',
  different: 'the compared collections are not equal',
  interrupted: 'ended by Ctrl-C; what runs goes on',
};
