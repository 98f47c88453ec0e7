/** The file of a build that is as old as its sources were then. */
export const STAMP: string;

/** Whether no source is newer than the last build. @param root  directory of the checkout */
export function isBuilt(root: string): boolean;
