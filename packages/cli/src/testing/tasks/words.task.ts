/** For tests of `hive map`: tasks as a user writes them. */
import { task } from '@hive/client';

export default task((word: string) => {
  if (word === '') throw new RangeError('there is no word');
  return { word, letters: word.length };
});

export const repeated = task((word: string, { params }) => word.repeat(params['times'] as number));
