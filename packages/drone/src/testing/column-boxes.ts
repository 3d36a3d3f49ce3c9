/** The columns of the table of protections that this machine can try, opened for one test file and closed after it. */
import type { Column } from '../sandbox/protections.ts';
import { type DockerEngineOfTest, tryEngine } from './docker-engine.ts';
import { Boxes } from './sandboxed.ts';

export class ColumnBoxes {
  /** Or why there is none. */
  readonly engine: DockerEngineOfTest | string;
  readonly #opened: Boxes[] = [];

  private constructor(engine: DockerEngineOfTest | string) {
    this.engine = engine;
  }

  static async start(): Promise<ColumnBoxes> {
    return new ColumnBoxes(await tryEngine());
  }

  /** What runs in a column; null, with a printed reason, where this machine cannot. */
  open(column: Column): Boxes | null {
    const boxes = Boxes.open(column, this.engine);
    if (typeof boxes === 'string') {
      console.warn(`The tests of "${column}" are skipped: ${boxes}`);
      return null;
    }
    this.#opened.push(boxes);
    return boxes;
  }

  async close(): Promise<void> {
    for (const boxes of this.#opened) await boxes.close();
    if (typeof this.engine !== 'string') await this.engine.close();
  }
}
