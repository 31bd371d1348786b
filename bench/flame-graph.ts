import type { Profiler, Runtime } from 'node:inspector';
import { escapeText } from './svg.js';

const WIDTH = 1200;
const ROW = 17;
const CHARACTER = 6.6;
/** Narrower boxes than this share of all are left out: nobody could read them. */
const LEAST = 0.004;

/** A function called from the ones above it, and the time spent in it and below, in µs. */
interface Frame {
  readonly name: string;
  readonly where: string;
  time: number;
  readonly callees: Map<string, Frame>;
}

/**
 * Draws what the time of a V8 profile went into, as SVG: each box is a function, as wide as the time in it and in what
 * it calls, which is below it. Waiting is left out.
 */
export function drawFlameGraph(title: string, profile: Profiler.Profile): string {
  const root = collect(profile);
  const boxes: string[] = [];
  let depth = 0;
  const draw = (frame: Frame, x: number, level: number): void => {
    const width = (frame.time / root.time) * WIDTH;
    if (width < LEAST * WIDTH) return;
    depth = Math.max(depth, level);
    const y = (level + 1) * ROW;
    const share = `${((frame.time / root.time) * 100).toFixed(1)} %`;
    const shown = Math.floor((width - 4) / CHARACTER);
    const label = shown < 3 ? '' : frame.name.slice(0, shown);
    boxes.push(
      `<g><title>${escapeText(`${frame.name} ${frame.where}: ${share}`)}</title>` +
        `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}" fill="${colour(frame.where)}"/>` +
        `<text x="${(x + 2).toFixed(1)}" y="${y + 12}">${escapeText(label)}</text></g>`,
    );
    let at = x;
    for (const callee of [...frame.callees.values()].toSorted((one, two) => two.time - one.time)) {
      draw(callee, at, level + 1);
      at += (callee.time / root.time) * WIDTH;
    }
  };
  draw(root, 0, 0);
  const height = (depth + 2) * ROW + 4;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="11">
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
<text x="2" y="12">${escapeText(`${title}: ${(root.time / 1e6).toFixed(1)} s of CPU in JavaScript`)}</text>
${boxes.join('\n')}
</svg>
`;
}

function collect({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Frame {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const callers = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id]))); // prettier-ignore
  const root: Frame = { name: 'all', where: '', time: 0, callees: new Map() };
  for (const [index, sample] of samples.entries()) {
    const path: Profiler.ProfileNode[] = [];
    for (let id: number | undefined = sample; id !== undefined; id = callers.get(id)) {
      const node = byId.get(id);
      if (node) path.unshift(node);
    }
    if (path.at(-1)?.callFrame.functionName === '(idle)') continue;
    const time = timeDeltas[index] ?? 0;
    root.time += time;
    let frame = root;
    for (const { callFrame } of path.slice(1)) {
      frame = calleeOf(frame, callFrame);
      frame.time += time;
    }
  }
  return root;
}

function calleeOf(caller: Frame, { functionName, url, lineNumber }: Runtime.CallFrame): Frame {
  const name = functionName === '' ? '(anonymous)' : functionName;
  const where = url === '' ? '' : `${url.replace(/^.*\/(?=node_modules|src|dist|test|bench)/, '')}:${lineNumber + 1}`; // prettier-ignore
  const key = `${name} ${where}`;
  const known = caller.callees.get(key);
  if (known) return known;
  const frame: Frame = { name, where, time: 0, callees: new Map() };
  caller.callees.set(key, frame);
  return frame;
}

/** Ours, a library's, Node.js's own. */
function colour(where: string): string {
  if (/^(src|dist)/.test(where)) return '#f4a261';
  return where.startsWith('node_modules') ? '#e9d8a6' : '#cbd5e1';
}
