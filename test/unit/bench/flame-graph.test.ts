import type { Profiler } from 'node:inspector';
import { describe, expect, it } from 'vitest';
import { drawFlameGraph } from '../../../bench/flame-graph.js';

/** `main` calls `read<T>` twice, from two places in its code, and `wait`. */
const profile: Profiler.Profile = {
  startTime: 0,
  endTime: 2_000_000,
  nodes: [
    node(1, '(root)', '', [2, 5]),
    node(2, 'main', 'file:///home/somebody/project/src/main.ts', [3, 4]),
    node(3, 'read<T>', 'file:///home/somebody/project/node_modules/library/read.js'),
    node(4, 'read<T>', 'file:///home/somebody/project/node_modules/library/read.js'),
    node(5, '(idle)', ''),
  ],
  samples: [2, 3, 4, 5],
  timeDeltas: [250_000, 500_000, 250_000, 9_000_000],
};

function node(
  id: number,
  functionName: string,
  url: string,
  children: number[] = [],
): Profiler.ProfileNode {
  const callFrame = { functionName, scriptId: '1', url, lineNumber: 6, columnNumber: 0 };
  return { id, callFrame, children };
}

describe('a flame graph', () => {
  const svg = drawFlameGraph('capture', profile);
  const boxes = [...svg.matchAll(/<title>(.*?)<\/title><rect x="(.*?)" y="(.*?)" width="(.*?)"/g)];

  it('has a box for each function, as wide as its share of the time without waiting', () => {
    expect(svg).toContain('capture: 1.0 s of CPU');
    expect(boxes.map(([, title, x, y, width]) => [title, x, y, width])).toEqual([
      ['all : 100.0 %', '0.0', '17', '1200.0'],
      ['main src/main.ts:7: 100.0 %', '0.0', '34', '1200.0'],
      ['read&lt;T&gt; node_modules/library/read.js:7: 75.0 %', '0.0', '51', '900.0'],
    ]);
  });

  it('names no folder of the machine', () => {
    expect(svg).not.toContain('somebody');
  });
});
