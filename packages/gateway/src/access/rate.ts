/** How often one caller may ask: a bucket of tokens each, refilled steadily, that holds two seconds' worth. */

const HELD_SECONDS = 2;
/** Callers that are remembered; the one unheard of for longest is forgotten first, and begins with a full bucket. */
const CALLERS_MAX = 4_096;

interface Bucket {
  tokens: number;
  at: number;
}

export class Rate {
  readonly #perSecond: number;
  readonly #buckets = new Map<string, Bucket>();

  /** @param perSecond Infinity for no limit */
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** Whole seconds until the caller may ask again; 0: now, and this one is counted. @param now in milliseconds */
  secondsUntilFree(caller: string, now: number): number {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return 0;
    const full = Math.max(1, this.#perSecond * HELD_SECONDS);
    const bucket = this.#buckets.get(caller) ?? { tokens: full, at: now };
    bucket.tokens = Math.min(full, bucket.tokens + ((now - bucket.at) / 1000) * this.#perSecond);
    bucket.at = now;
    this.#buckets.delete(caller);
    this.#buckets.set(caller, bucket);
    if (this.#buckets.size > CALLERS_MAX) this.#buckets.delete(this.#buckets.keys().next().value!);
    if (bucket.tokens < 1) return Math.max(1, Math.ceil((1 - bucket.tokens) / this.#perSecond));
    bucket.tokens--;
    return 0;
  }
}
