/** Paths that answers name. */

/** All paths but that of the document and of the metrics begin so. */
export const PREFIX = '/api/v1';

/** Where the bytes of what one task gave are read. */
export const valueUrl = (job: string, index: number): string => `${PREFIX}/jobs/${job}/tasks/${index}/value`;

/** Where all that is kept of what the commands of a job printed is read. */
export const outputUrl = (job: string): string => `${PREFIX}/jobs/${job}/logs?follow=false`;
