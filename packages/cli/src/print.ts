/** Answers on standard output: one JSON document if asked for, else text for people. */
import { printable } from './printable.ts';

export function print(argv: { readonly json: boolean }, answer: unknown, text: () => string): void {
  process.stdout.write(`${argv.json ? JSON.stringify(answer, null, 2) : printable(text())}\n`);
}
