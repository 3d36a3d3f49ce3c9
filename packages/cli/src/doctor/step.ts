/** One thing that `hive doctor` looks at, and what it says of it. */

/** `skipped`: it was not looked at, or is not needed; the text says why. */
export interface Finding {
  readonly status: 'ok' | 'failed' | 'skipped';
  readonly text: string;
  /** What to do next, one sentence each; of what has failed. */
  readonly advice?: readonly string[];
}
export interface Step extends Finding {
  readonly name: string;
}

export const ok = (text: string): Finding => ({ status: 'ok', text });
export const skipped = (text: string): Finding => ({ status: 'skipped', text });
export const failed = (text: string, ...advice: string[]): Finding => ({ status: 'failed', text, advice });
