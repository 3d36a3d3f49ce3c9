/**
 * How often something may be done for strangers: a bucket of tokens for each address, and one for all of them together.
 * Memory is bounded: of very many addresses the one that came first is forgotten first, and then the bucket of all holds.
 */
import { LIMITS } from '../limits.ts';
import type { Millis } from '../units.ts';

export interface Rates {
  /** In a second, for one address and for all; twice as many may come at once. */
  readonly perAddress: number;
  readonly overall: number;
  /** Addresses that are kept in mind. */
  readonly addressesMax?: number;
}
interface Bucket {
  tokens: number;
  at: Millis;
}

export class RateLimiter {
  readonly #rates: Rates;
  readonly #addressesMax: number;
  readonly #all: Bucket;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rates: Rates, now: Millis) {
    this.#rates = rates;
    this.#addressesMax = rates.addressesMax ?? LIMITS.ratedAddressesMax;
    this.#all = { tokens: 2 * rates.overall, at: now };
  }

  /** Addresses that are kept in mind. */
  get addresses(): number {
    return this.#buckets.size;
  }

  /** Takes a token of this address and one of all; false, and nothing taken, when either has none. */
  admits(address: string, now: Millis): boolean {
    const { perAddress, overall } = this.#rates;
    const bucket = this.#bucketOf(address, now);
    refill(bucket, perAddress, now);
    refill(this.#all, overall, now);
    if (bucket.tokens < 1 || this.#all.tokens < 1) return false;
    bucket.tokens--;
    this.#all.tokens--;
    return true;
  }

  #bucketOf(address: string, now: Millis): Bucket {
    const known = this.#buckets.get(address);
    if (known !== undefined) return known;
    if (this.#buckets.size >= this.#addressesMax) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    const bucket = { tokens: 2 * this.#rates.perAddress, at: now };
    this.#buckets.set(address, bucket);
    return bucket;
  }
}

function refill(bucket: Bucket, perSecond: number, now: Millis): void {
  const millis = Math.max(0, now - bucket.at);
  bucket.tokens = Math.min(2 * perSecond, bucket.tokens + (millis * perSecond) / 1_000);
  bucket.at = Math.max(bucket.at, now);
}
