import { bufferName, CONTROL_COLLECTION } from '../../../src/names.js';
import type { Scene } from '../scene.js';
import { until } from '../skipped.js';
import { type Cases, endsEqual, failsWith, loaded } from './case.js';

/** What is used here of a control document. */
interface Controlled {
  readonly _id: string;
  readonly capture: { readonly epoch: number };
  readonly replay: { readonly epoch: number };
}

/** What people do to a migration. */
export const people: Cases = {
  'buffer-dropped-by-somebody': {
    run: async (scene, _dice, copy) => {
      const { name, writers } = await loaded(scene);
      await scene.startWorker();
      const handle = await scene.environment.migrate(name, { copy });
      await scene.environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
      await scene.client('target').db('shop').dropCollection(bufferName(name));
      const problems = await failsWith(scene, handle, 'ControlDocumentLost');
      await writers.stop();
      return problems;
    },
  },

  'control-document-removed': {
    run: async (scene, _dice, copy) => {
      const { name, writers } = await loaded(scene);
      await scene.startWorker();
      const handle = await scene.environment.migrate(name, { copy });
      await scene.environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
      await controlOf(scene).deleteOne({ _id: name });
      const outcome: unknown = await handle.result().catch((error: unknown) => error);
      await writers.stop();
      const type = (outcome as { cause?: { type?: string } }).cause?.type;
      await scene.client('target').db('shop').dropCollection(bufferName(name));
      await scene.client('target').db('shop').dropCollection('cdc');
      return type === 'ControlDocumentLost' ? [] : [`ended with ${String(outcome)}`];
    },
  },

  // Attempts take it for a successor's work and end; the next ones go on.
  'epochs-edited': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene);
      await scene.startWorker();
      const handle = await scene.environment.migrate(items.name, { copy });
      await scene.environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
      const edited = await controlOf(scene).findOneAndUpdate(
        { _id: items.name },
        { $inc: { 'capture.epoch': 5, 'replay.epoch': 5, 'verify.epoch': 5 } },
        { returnDocument: 'after' },
      );
      await until('attempts that take over', async () => {
        const now = await controlOf(scene).findOne({ _id: items.name });
        const isTaken = (part: 'capture' | 'replay') =>
          (now?.[part].epoch ?? 0) > (edited?.[part].epoch ?? 0);
        return isTaken('capture') && isTaken('replay');
      });
      return endsEqual(scene, items, handle);
    },
  },

  // Nobody can see in a position that there should have been changes before it. A copy that begins anew has
  // them, whatever was missed.
  'position-edited': {
    run: async (scene, _dice, copy) => {
      const { name, writers } = await loaded(scene);
      const { environment } = scene;
      await scene.startWorker();
      const handle = await environment.migrate(name, { copy });
      await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
      await writers.stop();
      await scene.worker.kill('SIGKILL');
      const items = scene.client('source').db('shop').collection<{ _id: number }>(name);
      await items.insertOne({ _id: -1 });
      await using stream = items.watch();
      await stream.tryNext();
      await controlOf(scene).updateOne(
        { _id: name },
        { $set: { 'capture.through': stream.resumeToken } },
      );
      await scene.startWorker();
      const status = await environment.until(handle, 'the difference', ({ blockers }) =>
        blockers.some(({ code }) => code === 'differences'),
      );
      await handle.executeUpdate('restart', { args: [{}] });
      const problems = await endsEqual(scene, { name, writers }, handle);
      return status.mayCutOver ? ['it may cut over', ...problems] : problems;
    },
  },

  'source-dropped': {
    run: async (scene, _dice, copy) => {
      const { name, writers } = await loaded(scene);
      await scene.startWorker();
      const handle = await scene.environment.migrate(name, { copy });
      await scene.environment.until(
        handle,
        'capture',
        ({ captured }) => (captured?.events ?? 0) > 0,
      );
      await writers.stop();
      await scene.client('source').db('shop').dropCollection(name);
      return failsWith(scene, handle, 'ChangeStreamEnded');
    },
  },

  // Found by the comparison that is repeated, and held against the cutover until it is mended.
  'target-written-to': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene);
      const { environment } = scene;
      await scene.startWorker();
      const handle = await environment.migrate(items.name, { copy });
      await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
      const target = scene.client('target').db('shop').collection<{ _id: number }>(items.name);
      await target.insertOne({ _id: -1 });
      await environment.until(handle, 'the difference', ({ blockers }) =>
        blockers.some(({ code }) => code === 'differences'),
      );
      await target.deleteOne({ _id: -1 });
      return endsEqual(scene, items, handle);
    },
  },
};

function controlOf(scene: Scene) {
  return scene.client('target').db('shop').collection<Controlled>(CONTROL_COLLECTION);
}
