/**
 * Names and messages come from other machines: a Drone's name, a job's. On a terminal no control character of theirs may move the
 * cursor, set a title, fill the clipboard or make a line that somebody else seems to have said.
 */

/** Control characters, and those that turn the direction of writing. */
const CONTROLS = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** Texts of more than one line: line ends and tabs stay. */
export const printable = (text: string): string =>
  text.replace(CONTROLS, (found) => (found === '\n' || found === '\t' ? found : escaped(found)));

/** What is said on one line. */
export const oneLine = (text: string): string => text.replace(CONTROLS, escaped);

/** As JSON writes it. */
const escaped = (found: string): string => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`;
