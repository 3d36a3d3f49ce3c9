/** Finds out what is wanted, does it, and says in one sentence what went wrong. */
import { hideKey } from '@hive/shared/node';
import { enterPersonsFolder } from './folder.ts';
import { endWithReader } from './output.ts';
import { createParser } from './parser.ts';
import { reportFatal } from './report.ts';
import { traceCommand } from './trace.ts';

endWithReader(process.stdout);
endWithReader(process.stderr);
hideKey();
enterPersonsFolder();
traceCommand(process.argv.slice(2));
try {
  const parser = await createParser(process.argv.slice(2));
  await parser.parseAsync();
} catch (error) {
  reportFatal(error);
}
