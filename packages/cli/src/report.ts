/** How errors reach a person: one clear sentence, the stack only when it was asked for or when the bug is ours. */
import { UsageError } from '@hive/shared';

/** Whether `DEBUG=hive:*` or the like is set. */
export function isDebugging(): boolean {
  return /(^|[\s,])(hive:|\*)/.test(process.env['DEBUG'] ?? '');
}

/** Prints an error that ends the process and sets its exit code. */
export function reportFatal(error: unknown): void {
  process.exitCode = 1;
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const isExpected = error instanceof UsageError || (error as NodeJS.ErrnoException).syscall !== undefined;
  if (isExpected) {
    console.error(isDebugging() && stack !== undefined ? stack : `hive: ${message}`);
    return;
  }
  console.error(
    `hive: something went wrong that should not have. This is a bug of The Hive.\n${stack ?? message}`,
  );
}
