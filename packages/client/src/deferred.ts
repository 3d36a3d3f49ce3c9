/** A promise that is settled from outside, once; its rejection never counts as unhandled. */
export class Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;

  constructor() {
    let settle: Pick<Deferred<T>, 'resolve' | 'reject'> | null = null;
    this.promise = new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.resolve = settle!['resolve'];
    this.reject = settle!['reject'];
    this.promise.catch(() => {});
  }
}
