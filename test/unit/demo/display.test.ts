import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { displayFor, lineDisplay } from '../../../demo/display.js';

function lines() {
  const written: string[] = [];
  let now = 0;
  const display = lineDisplay(
    (line) => written.push(line),
    () => now,
  );
  const after = (milliseconds: number): void => void (now += milliseconds);
  return { display, written, after };
}

const row = (note: string) => [{ name: 'copy', fraction: 0.456, note }];

describe('lines', () => {
  it('says everything, and how things stand every 5 s at most', () => {
    const { display, written, after } = lines();
    display.show(row('first'));
    display.show(row('too soon'));
    display.say('copying');
    after(4_999);
    display.show(row('still too soon'));
    after(1);
    display.show([...row('second'), { name: 'lag', note: '0.4 s' }]);
    expect(written).toEqual(['  copy 45 %, first', 'copying', '  copy 45 %, second; lag 0.4 s']);
  });

  it('writes nothing any more once closed', () => {
    const { display, written } = lines();
    display.close();
    display.say('late');
    display.show(row('late'));
    display.clear();
    expect(written).toEqual([]);
  });
});

class FakeScreen extends Writable {
  readonly isTTY = true;
  readonly columns = 80;
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

async function shownOn(env: NodeJS.ProcessEnv): Promise<string> {
  const screen = new FakeScreen();
  const display = displayFor(screen, env);
  display.show(row('running'));
  // Bars are drawn a few times per second.
  await sleep(400);
  display.say('a line that stays');
  display.close();
  return screen.text;
}

describe('a terminal', () => {
  it('shows bars, clears them for a line, and gives the cursor back', async () => {
    const text = await shownOn({});
    expect(text).toContain('█');
    expect(text).toContain('45 %  running');
    expect(text.indexOf('\u001b[?25h')).toBeGreaterThan(text.indexOf('\u001b[?25l'));
    expect(text.endsWith('a line that stays\n')).toBe(true);
  });

  it.each(['1', 'true'])('shows lines when CI is %s', async (CI) => {
    expect(await shownOn({ CI })).toBe('  copy 45 %, running\na line that stays\n');
  });

  it.each(['', '0', 'false'])('shows bars when CI is "%s"', async (CI) => {
    expect(await shownOn({ CI })).toContain('█');
  });
});
