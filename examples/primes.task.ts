// A task: a function of yours that runs on Drones. Its file, and all that it imports, travels there.
import { task } from '@hive/client';

/** How many primes there are in a stretch of integers. */
export default task(({ from, to }: { from: number; to: number }) => {
  let primes = 0;
  for (let n = Math.max(2, from); n < to; n++) if (isPrime(n)) primes++;
  return primes;
});

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return true;
}
