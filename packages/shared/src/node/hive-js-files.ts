/**
 * The files of the encoder of `hive-js`, for processes in sandboxes: those have no packages, so they get copies of it.
 *
 * Invariant: these files import one another and nothing else.
 */
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ENDING = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const ENCODER = `hive-js/encoder${ENDING}`;
const FILES = [ENCODER, `hive-js/format${ENDING}`, `errors${ENDING}`];

/** Copies the encoder to a folder, which is made. @returns the path of its module there, which exports `Encoder` */
export function copyEncoder(folder: string): string {
  mkdirSync(join(folder, dirname(ENCODER)), { recursive: true, mode: 0o755 });
  for (const file of FILES) {
    copyFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), join(folder, file));
    chmodSync(join(folder, file), 0o644);
  }
  // There is nothing around it that would say what kind of modules these are.
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n');
  return join(folder, ENCODER);
}
