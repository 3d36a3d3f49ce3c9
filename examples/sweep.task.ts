// A task: a function that runs on a Drone. Its file, and all that it imports, travels there.
import { task } from '@hive/client';

export interface Setting {
  /** People whom somebody who is ill meets a day. */
  readonly contacts: number;
  /** Days that somebody is ill, on average. */
  readonly daysIll: number;
  readonly seed: number;
}

const PEOPLE = 5_000;
const INFECTED_BY_CONTACT = 0.05;

/** An epidemic, day by day: how many were ill at once, when that was, and how many in all. */
export default task(({ contacts, daysIll, seed }: Setting) => {
  const random = randomOf(seed);
  const isHealthy = new Uint8Array(PEOPLE).fill(1);
  let [ill, infected, peak, peakDay] = [10, 10, 10, 0];
  for (let day = 1; ill > 0; day++) {
    const before = ill;
    for (let meeting = 0; meeting < before * contacts; meeting++) {
      const person = Math.floor(random() * PEOPLE);
      if (isHealthy[person] === 0 || random() >= INFECTED_BY_CONTACT) continue;
      isHealthy[person] = 0;
      infected++;
      ill++;
    }
    for (let patient = 0; patient < before; patient++) if (random() < 1 / daysIll) ill--;
    if (ill > peak) [peak, peakDay] = [ill, day];
  }
  return { contacts, daysIll, peak, peakDay, infected };
});

/** The same numbers for the same seed, so that a sweep can be repeated (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
