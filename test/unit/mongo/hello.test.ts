import { type Db, MongoServerError } from 'mongodb';
import { expect, it } from 'vitest';
import { readHello } from '../../../src/mongo/hello.js';
import { takenAs } from '../../helpers/taken-as.js';

const reply = { setName: 'rs', ok: 1 };

/** A server that knows `hello`, or only its former name, or is in trouble. */
function server(code?: number) {
  const asked: string[] = [];
  const command = async (given: object) => {
    asked.push(...Object.keys(given));
    if ('hello' in given && code !== undefined) throw new MongoServerError({ code, errmsg: 'no' });
    return 'hello' in given ? { ...reply, isWritablePrimary: true } : { ...reply, ismaster: true };
  };
  return { db: takenAs<Db>({ command }), asked };
}

it.each([
  ['by its name', undefined, ['hello']],
  ['by its former name where a server is older', 59, ['hello', 'isMaster']],
])('is asked for %s', async (_what, code, expected) => {
  const { db, asked } = server(code);
  expect(await readHello(db)).toMatchObject({ setName: 'rs', isWritablePrimary: true });
  expect(asked).toEqual(expected);
});

it('is not asked for once more where a server is in trouble', async () => {
  const { db, asked } = server(91);
  await expect(readHello(db)).rejects.toMatchObject({ code: 91 });
  expect(asked).toEqual(['hello']);
});
