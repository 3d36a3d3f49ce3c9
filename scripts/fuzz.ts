/**
 * `pnpm fuzz [seconds] [seed]`: attacks the frame decoder and the session for longer than the tests do (default: a minute).
 * A stream that finds a bug is kept in packages/shared/test/corpus and becomes a test.
 */
import { fuzz, keep } from '../packages/shared/test/fuzz.ts';

const [seconds = '60', seed = String(Date.now() % 2 ** 32)] = process.argv.slice(2);
const { streams, found } = fuzz(Number(seed), Number(seconds) * 1_000);
if (found === null) console.log(`fuzz: ${streams} streams from seed ${seed}, nothing found`);
else {
  console.error(found.error);
  console.error(`fuzz: seed ${found.seed} found this; kept as ${keep(`found-${found.seed}`, found.stream)}`);
  process.exitCode = 1;
}
