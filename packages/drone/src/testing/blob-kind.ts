/** A kind for tests: its input is the hash of a blob, its output where the blob's file is and what stands in it. */
import { readFileSync } from 'node:fs';
import { encodeMsgpack } from '@hive/shared';
import type { Kind } from '../kinds/kind.ts';

export const kind: Kind = {
  name: 'blob',
  prepare: (_, slot) => async (task) => {
    const path = await slot.blob(String(task.value()));
    task.put(encodeMsgpack([path, readFileSync(path, 'latin1')]));
  },
};
