import { existsSync } from "node:fs";
import { tmpdir } from "node:os";

/** Where tests that flush thousands of small files put them: in memory where there is such a place, as no disk is on trial. */
export const SCRATCH: string = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
