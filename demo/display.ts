import cliProgress, { type MultiBar, type SingleBar } from 'cli-progress';

/** One line of what is going on. */
export interface Row {
  readonly name: string;
  /** From 0 to 1; a row without it has no bar. */
  readonly fraction?: number;
  readonly note: string;
}

/** Where the demo is told. */
export interface Display {
  /** Writes a line that stays. */
  say(line: string): void;
  /** Shows how things stand; the next call replaces it. */
  show(rows: readonly Row[]): void;
  /** Ends what `show` shows. */
  clear(): void;
  /** Clears, and shows and says nothing any more. */
  close(): void;
}

/** What is written to: standard output, or what stands for it. */
export type Screen = NodeJS.WritableStream & { readonly isTTY?: boolean };

/** Milliseconds between two lines about how things stand, without a terminal. */
const LINE_EVERY_MS = 5_000;
const NAME_WIDTH = 9;
const BAR_WIDTH = 20;
const PERCENT_WIDTH = 6;

/** Bars on a terminal, lines elsewhere and in continuous integration. */
export function displayFor(stream: Screen, env: NodeJS.ProcessEnv): Display {
  const isCi = !['', '0', 'false', undefined].includes(env['CI']?.toLowerCase());
  if (stream.isTTY && !isCi) return barDisplay(stream);
  return lineDisplay((line) => stream.write(`${line}\n`));
}

/** Plain lines, of what goes on one every 5 s at most. */
export function lineDisplay(write: (line: string) => void, now: () => number = Date.now): Display {
  let shownAt = Number.NEGATIVE_INFINITY;
  let isClosed = false;
  return {
    say(line) {
      if (!isClosed) write(line);
    },
    show(rows) {
      if (isClosed || now() - shownAt < LINE_EVERY_MS) return;
      shownAt = now();
      write(`  ${rows.map(lineOf).join('; ')}`);
    },
    clear() {},
    close() {
      isClosed = true;
    },
  };
}

/** Bars that are redrawn in place, below the lines that stay. */
export function barDisplay(stream: Screen): Display {
  let bars: { readonly multi: MultiBar; readonly rows: SingleBar[] } | undefined;
  let isClosed = false;
  const clear = (): void => {
    bars?.multi.stop();
    bars = undefined;
  };
  return {
    say(line) {
      if (isClosed) return;
      clear();
      stream.write(`${line}\n`);
    },
    show(rows) {
      if (isClosed) return;
      if (bars?.rows.length !== rows.length) clear();
      bars ??= startBars(stream, rows);
      bars.rows.forEach((bar, index) => bar.update(rows[index]?.fraction ?? 0, rows[index]));
    },
    clear,
    close() {
      clear();
      isClosed = true;
    },
  };
}

function startBars(stream: Screen, rows: readonly Row[]) {
  const multi = new cliProgress.MultiBar({
    stream,
    format: (options, { progress }, { name, fraction, note }: Row) => {
      const percent = `${Math.floor(progress * 100)} %`.padStart(PERCENT_WIDTH);
      const drawn = `${cliProgress.Format.BarFormat(progress, options)}${percent}  `;
      const bar = fraction === undefined ? '' : drawn;
      return `  ${name.padEnd(NAME_WIDTH)} ${bar}${note}`;
    },
    barsize: BAR_WIDTH,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    linewrap: false,
    clearOnComplete: true,
    emptyOnZero: true,
    // Notes change while a bar stands still.
    forceRedraw: true,
    // Ctrl-C is taken care of elsewhere.
    gracefulExit: false,
    fps: 5,
  });
  return { multi, rows: rows.map((row) => multi.create(1, row.fraction ?? 0, row)) };
}

function lineOf({ name, fraction, note }: Row): string {
  const percent = fraction === undefined ? '' : `${Math.floor(fraction * 100)} %, `;
  return `${name} ${percent}${note}`;
}
