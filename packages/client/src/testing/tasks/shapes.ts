/** Something for tasks to import. */
export interface Box {
  readonly width: number;
  readonly height: number;
}
export const areaOf = ({ width, height }: Box): number => width * height;

export class TooSmallError extends RangeError {
  override readonly name = 'TooSmallError';
  readonly code = 'E_SMALL';
  readonly box: Box;
  constructor(box: Box) {
    super(`${box.width} x ${box.height} is too small`, { cause: new Error('nothing fits') });
    this.box = box;
  }
}
