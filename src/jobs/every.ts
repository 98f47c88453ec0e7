/** Calls back every so many milliseconds, and keeps no process alive for it. @returns ends that */
export function everyUnreferenced(milliseconds: number, callback: () => void): () => void {
  const timer = setInterval(callback, milliseconds).unref();
  return () => clearInterval(timer);
}
