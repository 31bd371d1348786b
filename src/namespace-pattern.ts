import { literally } from './names.js';

/** `*` in a pattern, and the sign that takes its meaning from it. */
const STAR = '*';
const ESCAPE = '\\';

/** A pattern in pieces: literal text, and `*` between them. */
function piecesOf(pattern: string): string[] {
  const pieces = [''];
  for (let at = 0; at < pattern.length; at++) {
    const sign = pattern[at] ?? '';
    const isEscape = sign === ESCAPE && [STAR, ESCAPE].includes(pattern[at + 1] ?? '');
    if (sign === STAR) pieces.push('');
    else {
      if (isEscape) at += 1;
      pieces[pieces.length - 1] += isEscape ? (pattern[at] ?? '') : sign;
    }
  }
  return pieces;
}

/**
 * A pattern of namespaces: `shop.*`, `*.orders`, `shop.orders_*`. `*` stands for any text, in the database's
 * part without a dot; `\*` is a star and `\\` a backslash.
 */
export class NamespacePattern {
  readonly #matcher: RegExp;
  readonly #db: readonly string[];
  readonly #collection: readonly string[];

  /** @param text `<database>.<collection>`; see `patternProblem` */
  constructor(text: string) {
    const dot = text.indexOf('.');
    this.#db = piecesOf(text.slice(0, dot));
    this.#collection = piecesOf(text.slice(dot + 1));
    const db = this.#db.map(literally).join('([^.]*)');
    this.#matcher = new RegExp(`^${db}\\.${this.#collection.map(literally).join('(.*)')}$`, 'su');
  }

  /** The database, where the pattern names one; nothing where it stands for several. */
  get db(): string | undefined {
    return this.#db.length === 1 ? this.#db[0] : undefined;
  }

  /** Whether it may stand for something in a database of this name. */
  matchesDatabase(name: string): boolean {
    return new RegExp(`^${this.#db.map(literally).join('[^.]*')}$`, 'su').test(name);
  }

  /** Whether it stands for all that is in a database of this name. */
  matchesAllOf(name: string): boolean {
    return this.matchesDatabase(name) && this.#collection.every((piece) => piece === '');
  }

  /** The namespace, where the pattern stands for one only. */
  get namespace(): string | undefined {
    const isOne = this.#db.length === 1 && this.#collection.length === 1;
    return isOne ? `${this.#db[0]}.${this.#collection[0]}` : undefined;
  }

  /** How many `*` it has. */
  get stars(): number {
    return this.#db.length + this.#collection.length - 2;
  }

  /** What each `*` stands for in a namespace, in order; nothing when the pattern does not match it. */
  match(namespace: string): string[] | undefined {
    return this.#matcher.exec(namespace)?.slice(1);
  }

  /** The pattern with a text in the place of each `*`. */
  fill(texts: readonly string[]): string {
    const all = [...this.#db.slice(0, -1), `${this.#db.at(-1)}.${this.#collection[0]}`];
    const pieces = [...all, ...this.#collection.slice(1)];
    return pieces
      .map((piece, index) => (index === 0 ? '' : (texts[index - 1] ?? '')) + piece)
      .join('');
  }
}

/** What is wrong with a pattern; nothing where it is well. */
export function patternProblem(text: string): string | undefined {
  const dot = text.indexOf('.');
  if (dot < 1 || dot === text.length - 1) {
    return 'must be <database>.<collection>, where * stands for any text: for example shop.*';
  }
  if (/[\0]/.test(text)) return 'holds a NUL character, which no name has';
  return undefined;
}

/** How names change on the way: the first rule that matches a namespace gives the one at the target. */
export interface Renaming {
  readonly from: string;
  readonly to: string;
}

/** The rule that gives a namespace its name at the target, where one does. */
export function ruleFor(namespace: string, rules: readonly Renaming[]): Renaming | undefined {
  return rules.find(({ from }) => new NamespacePattern(from).match(namespace));
}

/** The namespace at the target: by the first rule that matches, else the same. */
export function rename(namespace: string, rules: readonly Renaming[]): string {
  const rule = ruleFor(namespace, rules);
  const texts = rule && new NamespacePattern(rule.from).match(namespace);
  return texts ? new NamespacePattern(rule.to).fill(texts) : namespace;
}
