import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { BSON } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkDump, checkDumpSize, isRestored } from '../../../src/activities/check-dump.js';

const dump = Buffer.concat([{ _id: 1 }, { _id: 2 }, { _id: 3 }].map((one) => BSON.serialize(one)));
const documents = 3;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'csm-check-dump-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function fileOf(bytes: Uint8Array): Promise<string> {
  const file = join(folder, 'partition-0.bson');
  await writeFile(file, bytes);
  return file;
}

const pulse = { touch: () => undefined, signal: new AbortController().signal };
const lost = { type: 'DumpLost' };

describe('a dump that is as it was written', () => {
  it('is taken for whole', async () => {
    const file = await fileOf(dump);
    await checkDumpSize({ file, gzip: false, documents }, dump.length);
    await checkDump({ file, gzip: false, documents }, pulse);
  });

  it('is taken for whole with gzip', async () => {
    const file = await fileOf(gzipSync(dump));
    await checkDumpSize({ file, gzip: true, documents }, dump.length);
    await checkDump({ file, gzip: true, documents }, pulse);
  });
});

describe('a dump that is read whole', () => {
  it('says that it moves, however long it takes', async () => {
    const file = await fileOf(dump);
    let touches = 0;
    await checkDump({ file, gzip: false, documents }, { ...pulse, touch: () => touches++ });
    expect(touches).toBe(1);
  });

  it('is not lost when the attempt ends', async () => {
    const file = await fileOf(dump);
    const signal = AbortSignal.abort(new Error('another attempt'));
    await expect(checkDump({ file, gzip: false, documents }, { ...pulse, signal })).rejects.toThrow(
      'another attempt',
    );
  });
});

describe('a dump is lost', () => {
  it('when the file is gone', async () => {
    const missing = { file: join(folder, 'none.bson'), gzip: false, documents };
    await expect(checkDumpSize(missing, 1)).rejects.toMatchObject(lost);
    await expect(checkDump(missing, pulse)).rejects.toMatchObject(lost);
    await expect(checkDump({ ...missing, gzip: true }, pulse)).rejects.toMatchObject(lost);
  });

  it('when it is shorter', async () => {
    const file = await fileOf(dump.subarray(0, -20));
    await expect(
      checkDumpSize({ file, gzip: false, documents }, dump.length),
    ).rejects.toMatchObject(lost);
    await expect(checkDump({ file, gzip: false, documents }, pulse)).rejects.toMatchObject(lost);
  });

  it('when whole documents are missing', async () => {
    const file = await fileOf(BSON.serialize({ _id: 1 }));
    await expect(checkDump({ file, gzip: false, documents }, pulse)).rejects.toMatchObject(lost);
  });

  it('when a length in it is wrong', async () => {
    const broken = Buffer.from(dump);
    broken[0] = 1;
    const file = await fileOf(broken);
    await expect(checkDump({ file, gzip: false, documents }, pulse)).rejects.toMatchObject(lost);
  });

  it('when the compressed file ends early', async () => {
    const file = await fileOf(gzipSync(dump).subarray(0, -12));
    await expect(checkDump({ file, gzip: true, documents }, pulse)).rejects.toMatchObject(lost);
  });
});

describe('a restore is whole', () => {
  it.each([
    ['all are restored', { documents: 5, failures: 0, duplicates: 0 }, true],
    ['what is missing was there already', { documents: 3, failures: 2, duplicates: 2 }, true],
    ['one was refused for another reason', { documents: 3, failures: 2, duplicates: 1 }, false],
    ['one is not accounted for', { documents: 3, failures: 1, duplicates: 1 }, false],
    ['there are too many', { documents: 6, failures: 0, duplicates: 0 }, false],
  ])('or not, when %s', (_when, restored, expected) => {
    expect(isRestored(5, restored)).toBe(expected);
  });
});
