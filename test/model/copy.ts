import type { Protocol, Step } from './explore.js';

/**
 * The copy of one partition as a protocol: what an earlier attempt has left is cleared, documents are
 * inserted, the record says that it is copied, and the collection gets its name. Attempts stop for
 * any time at any step and go on beside their successors.
 */
export interface CopyOptions {
  readonly documents: number;
  /** Attempts that Temporal starts although others may still be alive. */
  readonly successors: number;
  /** The part of the protocol that is left out. */
  readonly without?: CopyFlaw;
}

/** Ways to get the copy wrong; the search has to find each. */
export type CopyFlaw = 'the fence of clearing' | 'the fence of the record' | 'the name of its own';

interface Attempt {
  readonly epoch: number;
  /** Documents to clear, then to insert. */
  readonly clears: readonly number[];
  readonly inserts: readonly number[];
}

export interface CopyState {
  readonly epoch: number;
  readonly copied: boolean;
  /** Whether the copy has its final name, and has been changed under it by a delete of the first document. */
  readonly renamed: boolean;
  readonly replayed: boolean;
  readonly documents: readonly number[];
  readonly attempts: readonly Attempt[];
  readonly successors: number;
}

/** The protocol with these options. */
export function copy(options: CopyOptions): Protocol<CopyState> {
  const ids = all(options);
  const attempt = (epoch: number): Attempt => ({ epoch, clears: ids, inserts: ids });
  return {
    start: {
      epoch: 1,
      copied: false,
      renamed: false,
      replayed: false,
      documents: [],
      attempts: [attempt(1)],
      successors: options.successors,
    },
    steps: (state) => [
      ...state.attempts.map((each, index) => attemptStep(state, each, index, options)),
      ...(state.successors > 0 && !state.renamed ? [succeed(state, attempt)] : []),
      ...finish(state),
    ],
    wrong: (state, isEnd) => {
      const wanted = state.replayed ? ids.length - 1 : ids.length;
      if (state.renamed && state.documents.length < wanted) return 'documents are missing';
      if (state.replayed && state.documents.includes(0)) return 'a deleted document is back';
      return isEnd && !state.replayed ? 'nothing goes on, and nothing is copied' : undefined;
    },
  };
}

function attemptStep(
  state: CopyState,
  attempt: Attempt,
  index: number,
  options: CopyOptions,
): Step<CopyState> {
  const { without } = options;
  const to = (next: Attempt | undefined, more: Partial<CopyState> = {}): CopyState => ({
    ...state,
    attempts: state.attempts.flatMap((each, at) => (at !== index ? [each] : next ? [next] : [])),
    ...more,
  });
  const name = (what: string) => `attempt ${attempt.epoch} ${what}`;
  const isCurrent = state.epoch === attempt.epoch;
  // A late write goes to a name that nobody reads any more.
  const isUnread = state.renamed && without !== 'the name of its own';
  const [clear, ...clears] = attempt.clears;
  const [insert, ...inserts] = attempt.inserts;
  if (clear !== undefined) {
    if (!isCurrent && without !== 'the fence of clearing')
      return { name: name('is fenced'), state: to(undefined) };
    const documents = isUnread ? state.documents : state.documents.filter((each) => each !== clear);
    return { name: name(`clears ${clear}`), state: to({ ...attempt, clears }, { documents }) };
  }
  if (insert !== undefined) {
    const documents = isUnread
      ? state.documents
      : all(options).filter((each) => each === insert || state.documents.includes(each));
    return { name: name(`inserts ${insert}`), state: to({ ...attempt, inserts }, { documents }) };
  }
  if (!isCurrent && without !== 'the fence of the record')
    return { name: name('is fenced'), state: to(undefined) };
  return { name: name('says that it is copied'), state: to(undefined, { copied: true }) };
}

/** Temporal gives an attempt up and starts the next one, which has nothing to do when all is copied. */
function succeed(state: CopyState, attempt: (epoch: number) => Attempt): Step<CopyState> {
  const successors = state.successors - 1;
  if (state.copied)
    return { name: 'a successor has nothing to do', state: { ...state, successors } };
  const epoch = state.epoch + 1;
  const attempts = [...state.attempts, attempt(epoch)];
  return { name: 'a successor takes over', state: { ...state, successors, epoch, attempts } };
}

function finish(state: CopyState): Step<CopyState>[] {
  if (!state.copied || state.replayed) return [];
  if (!state.renamed)
    return [{ name: 'the copy gets its name', state: { ...state, renamed: true } }];
  const documents = state.documents.filter((each) => each !== 0);
  return [{ name: 'the replay deletes 0', state: { ...state, replayed: true, documents } }];
}

function all({ documents }: CopyOptions): number[] {
  return Array.from({ length: documents }, (_, index) => index);
}
