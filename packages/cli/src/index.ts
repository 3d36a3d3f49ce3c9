/** What another program may take from the command line: its grammar. */
export { createParser } from './parser.ts';
