import { tmpdir } from "node:os";
import { AlbertError } from "../errors.ts";

// Turns refusals of the operating system into messages with the path and advice in place of a stack.

/** What each code means, and what helps. */
const MEANINGS: Readonly<Record<string, readonly [what: string, advice: string]>> = {
  EACCES: ["this user may not do that", "change the permissions, or name another place"],
  EADDRINUSE: ["something listens there already", "stop it, or choose another address"],
  EADDRNOTAVAIL: ["this machine has no such address", "choose another address"],
  EBUSY: ["something else uses it", "try again when it is free"],
  EDQUOT: ["the user's share of the disk is used up", "free some space, or name a place on another disk"],
  EEXIST: ["it exists already", "remove it, or choose another name"],
  EFBIG: ["the file would be larger than the system allows", "name a place on another file system"],
  EIO: ["the disk reports an error", "check the disk, or name a place on another one"],
  EISDIR: ["it is a folder, and a file is expected", "name the file"],
  ELOOP: ["its symbolic links lead in a circle", "mend them, or name the file itself"],
  EMFILE: ["this process has too many open files", "raise the limit (ulimit -n)"],
  ENAMETOOLONG: ["the name is too long", "choose a shorter one"],
  ENFILE: ["the system has too many open files", "close some, or raise its limit"],
  ENODEV: ["there is no such device", "check the path"],
  ENOENT: ["it does not exist", "check the path"],
  ENOMEM: ["no memory is left", "end other programs, or raise the limit of this one"],
  ENOSPC: ["no space is left on its file system", "free some, or name a place on another one"],
  ENOTDIR: ["a part of the path is no folder", "check the path"],
  ENOTEMPTY: ["the folder is not empty", "empty it, or choose another one"],
  EPERM: ["this user may not do that", "change the permissions, or name another place"],
  EROFS: ["its file system is read-only", "name a place that can be written"],
  EXDEV: ["its parts lie on different file systems", "name places on one of them"],
};

/** Whether the operating system raised this, and not a program. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return (
    error instanceof Error && "syscall" in error && /^E[A-Z0-9]+$/.test((error as NodeJS.ErrnoException).code ?? "")
  );
}

/** The same failure in our own words. */
export function systemError(error: NodeJS.ErrnoException): AlbertError {
  const {
    code = "unknown",
    syscall = "",
    path,
    address,
    port,
  } = error as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
  };
  const [what, advice] = MEANINGS[code] ?? ["the system refuses it", "see what the system says of this code"];
  const where = path ?? (address === undefined ? undefined : `${address}${port === undefined ? "" : `:${port}`}`);
  const options = {
    reason: "SYSTEM_ERROR",
    metadata: { code, ...(where === undefined ? {} : { path: where }) },
    cause: error,
  };
  if (path?.startsWith(tmpdir())) {
    const message = `temporary files cannot be kept below ${tmpdir()} (TMPDIR): ${what} (${code} ${path}): set TMPDIR to a folder that can be written`;
    return new AlbertError("precondition", message, options);
  }
  const subject = where === undefined ? `${syscall} failed` : `cannot ${verbOf(syscall)} ${where}`;
  return new AlbertError("precondition", `${subject}: ${what} (${code}): ${advice}`, options);
}

function verbOf(syscall: string): string {
  const verbs: Readonly<Record<string, string>> = {
    open: "open",
    mkdir: "make the folder",
    mkdtemp: "make a folder like",
    scandir: "list",
    lstat: "look at",
    stat: "look at",
    access: "use",
    copyfile: "copy",
    rename: "rename",
    unlink: "remove",
    rmdir: "remove",
    rm: "remove",
    link: "link",
    symlink: "link",
    listen: "listen on",
    bind: "listen on",
    connect: "connect to",
  };
  return verbs[syscall] ?? syscall;
}
