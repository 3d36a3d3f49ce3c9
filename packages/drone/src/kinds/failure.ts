/**
 * How a task fails on purpose: a code, a sentence, and whether trying again is worth while. Any other error thrown by a
 * kind fails its task too, and may be tried again.
 */
export class TaskFailure extends Error {
  override readonly name = 'TaskFailure';
  readonly code: string;
  readonly retryable: boolean;
  readonly outcome: 'failed' | 'timedOut' | 'cancelled' | 'crashed';
  /** The error behind it, as hive-js in base64, for a client that can throw it again. */
  readonly error: string | null = null;
  /** Whether what the task has put or written as its output is told beside the failure. */
  keepsOutput = false;
  constructor(code: string, message: string, retryable = false, outcome: TaskFailure['outcome'] = 'failed') {
    super(message);
    this.code = code;
    this.retryable = retryable;
    this.outcome = outcome;
  }
}
export const badInput = (message: string): TaskFailure => new TaskFailure('badInput', message);
