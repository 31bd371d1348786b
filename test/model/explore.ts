/** A step that the protocol may take next, and where it leads. */
export interface Step<State> {
  readonly name: string;
  readonly state: State;
}

/** A protocol as a set of states. States are plain data: equal ones have equal JSON. */
export interface Protocol<State> {
  readonly start: State;
  /** All that may happen next, in any order; nothing when everything has come to its end. */
  readonly steps: (state: State) => readonly Step<State>[];
  /** What is wrong with a state; `isEnd`: nothing can happen any more. */
  readonly wrong: (state: State, isEnd: boolean) => string | undefined;
}

/** What a search has found. */
export interface Found {
  readonly states: number;
  /** What is wrong, with the steps that lead there; nothing when no state is wrong. */
  readonly wrong?: string;
  readonly path: readonly string[];
}

/** Ends a search that has more states than a test should wait for. */
const MOST_STATES = 2_000_000;

/**
 * Looks at every state that a protocol can come to, in whatever order its steps happen.
 * @throws when there are too many.
 */
export function explore<State>(protocol: Protocol<State>): Found {
  const seen = new Set([JSON.stringify(protocol.start)]);
  const way: { readonly name: string; readonly next: Iterator<Step<State>> }[] = [];
  const enter = (name: string, state: State): string | undefined => {
    const steps = protocol.steps(state);
    way.push({ name, next: steps[Symbol.iterator]() });
    return protocol.wrong(state, steps.length === 0);
  };
  let wrong = enter('start', protocol.start);
  while (wrong === undefined) {
    const top = way.at(-1);
    if (!top) return { states: seen.size, path: [] };
    const { done, value } = top.next.next();
    if (done === true) {
      way.pop();
      continue;
    }
    const key = JSON.stringify(value.state);
    if (seen.has(key)) continue;
    seen.add(key);
    if (seen.size > MOST_STATES) throw new Error(`more than ${MOST_STATES} states`);
    wrong = enter(value.name, value.state);
  }
  return { states: seen.size, wrong, path: way.map(({ name }) => name).slice(1) };
}

/**
 * Goes through a protocol again and again, each time by steps that chance takes: for what has too many
 * states to look at all of them. `random` gives numbers from 0 to 1.
 */
export function wander<State>(
  protocol: Protocol<State>,
  walks: number,
  random: () => number,
): Found {
  let states = 0;
  for (let walk = 0; walk < walks; walk++) {
    let { start: state } = protocol;
    const path: string[] = [];
    for (;;) {
      const steps = protocol.steps(state);
      states += 1;
      const wrong = protocol.wrong(state, steps.length === 0);
      if (wrong !== undefined) return { states, wrong, path };
      const step = steps[Math.floor(random() * steps.length)];
      if (!step) break;
      path.push(step.name);
      state = step.state;
    }
  }
  return { states, path: [] };
}
