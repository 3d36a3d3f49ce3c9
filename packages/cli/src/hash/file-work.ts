/** Hashing whole files: their digests, printed as `sha256sum` prints them. */
import type { Progress } from '../progress.ts';
import { causeOf, type Entry, FileQueue, type Wanted } from './file-queue.ts';
import { jsonLine } from './json-lines.ts';
import { escapeName, quoteName } from './quote.ts';
import { findFiles } from './walk.ts';
import { type Complain, complainAbout, type Format, type Hashed, type Input, type Work } from './work.ts';

export class FileWork implements Work {
  /** Digests as text, so that a Queen and a Drone can show them. */
  readonly encoding = 'msgpack';
  readonly #operands: readonly Buffer[];
  readonly #isRecursive: boolean;
  readonly #format: Format;
  readonly #progress: Progress;
  readonly #complain: Complain;
  readonly #files: FileQueue<null>;

  constructor(
    operands: readonly Buffer[],
    isRecursive: boolean,
    format: Format,
    progress: Progress,
    complain: Complain,
  ) {
    this.#operands = operands;
    this.#isRecursive = isRecursive;
    this.#format = format;
    this.#progress = progress;
    this.#complain = complain;
    this.#files = new FileQueue(progress, ({ path, error }: Entry<null>) => {
      complainAbout(path!, error!, complain);
    });
  }

  source() {
    return { inputs: this.#inputs() };
  }

  #inputs(): AsyncGenerator<Input> {
    if (this.#progress.isShown) void this.#count();
    return this.#files.inputs(this.#find());
  }

  async *#find(): AsyncGenerator<Wanted<null>> {
    for await (const { path, error } of findFiles(this.#operands, this.#isRecursive)) {
      yield { path, error, about: null };
    }
  }

  print({ index, digest, message }: Hashed): Uint8Array | null {
    const entry = this.#files.take(index);
    const name = entry.path!;
    if (digest !== null) return formatLine(name, digest, this.#format);
    const cause = causeOf(entry);
    if (cause !== null) complainAbout(name, cause, this.#complain);
    else this.#complain(`${quoteName(name)}: ${message}`, { name, error: message });
    return null;
  }

  end(): void {
    this.#files.end();
  }

  /** Looks ahead, so that a person knows how much there is. */
  async #count(): Promise<void> {
    let files = 0;
    for await (const _ of findFiles(this.#operands, this.#isRecursive)) files++;
    this.#progress.expect(files);
  }
}

/** Exactly the line that `sha256sum` prints, with its end. */
export function formatLine(
  name: Buffer,
  digest: string,
  { tag, isBinary, isZeroEnded, json }: Format,
): Uint8Array {
  if (json !== null) return jsonLine(json, { name }, { digest });
  const { bytes, isEscaped } = isZeroEnded ? { bytes: name, isEscaped: false } : escapeName(name);
  const mark = isBinary ? '*' : ' ';
  const [before, after] = tag === null ? [`${digest} ${mark}`, ''] : [`${tag} (`, `) = ${digest}`];
  return Buffer.concat([
    Buffer.from(`${isEscaped ? '\\' : ''}${before}`),
    bytes,
    Buffer.from(`${after}${isZeroEnded ? '\0' : '\n'}`),
  ]);
}
