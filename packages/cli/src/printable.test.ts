/** What others call themselves plays no tricks on a terminal. */
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { print } from './print.ts';
import { oneLine, printable } from './printable.ts';
import { describeNotice } from './queen-lines.ts';
import { formatTable } from './table.ts';

/** Clears the screen, sets the title, fills the clipboard, and says that all is well. */
const NAME = 'd\u001b[2J\u001b]0;x\u0007\u009b31m\u202e\r\n✅ All is well';
const SHOWN = 'd\\u001b[2J\\u001b]0;x\\u0007\\u009b31m\\u202e\\u000d\\u000a✅ All is well';

afterEach(() => {
  jest.restoreAllMocks();
});

describe('a name with control characters', () => {
  test('is written out where there is one line', () => {
    expect(oneLine(NAME)).toBe(SHOWN);
    expect(oneLine('größer 🐝 名')).toBe('größer 🐝 名');
  });

  test('is written out in texts of several lines, whose line ends stay', () => {
    expect(printable(`a\tb\n${NAME}`)).toBe(`a\tb\n${SHOWN.replace('\\u000a', '\n')}`);
  });

  test('makes no line of its own on the terminal of the Queen', () => {
    const notice = { type: 'droneJoined', name: NAME, slots: 1, address: 'here', drones: 1 } as const;
    expect(describeNotice(notice, false).text).toContain(`${SHOWN} with 1 slot`);
  });

  test('stays in its cell, and in answers', () => {
    expect(formatTable([{ head: 'NAME' }], [[NAME]])).toBe(`NAME\n${SHOWN}`);
    const write = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
    print({ json: false }, {}, () => `Name  ${NAME}`);
    expect(write).toHaveBeenCalledWith(`Name  ${SHOWN.replace('\\u000a', '\n')}\n`);
  });
});
