/** The task file that the Hive bundles. */
import { task } from '@hive/client';
import * as work from './work.ts';

export const tiny = task(work.tiny);
export const millisecond = task(work.millisecond);
