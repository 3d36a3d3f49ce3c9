/** What happened, line by line with its time, in a file that is kept when something was wrong. */
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export class Log {
  readonly #path: string;
  readonly #startedAt = performance.now();
  /** What was wrong, in the order in which it was found. */
  readonly problems: string[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  say(text: string): void {
    const seconds = ((performance.now() - this.#startedAt) / 1_000).toFixed(3);
    appendFileSync(this.#path, `${seconds.padStart(9)} ${text}\n`);
  }

  problem(text: string): void {
    this.problems.push(text);
    this.say(`PROBLEM ${text}`);
  }

  /** Takes down whatever a process prints. */
  follow(name: string, ...streams: (NodeJS.ReadableStream | null)[]): void {
    for (const stream of streams) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => this.say(`${name} | ${line}`));
    }
  }
}
