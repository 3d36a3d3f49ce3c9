import { task } from '../../functions/task.ts';
import { areaOf, type Box, TooSmallError } from './shapes.ts';

export default task((box: Box) => {
  if (box.width === 0) {
    throw new TooSmallError(box);
  }
  return { area: areaOf(box), seen: new Date(0) };
});
