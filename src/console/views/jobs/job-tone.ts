import { JobState } from "../../../gen/albert/v1/training_pb.js";
import type { Tone } from "../../parts/state-badge.tsx";

/** The colour of a job's state. */
export function jobTone(state: JobState): Tone {
  switch (state) {
    case JobState.SUCCEEDED:
      return "good";
    case JobState.FAILED:
    case JobState.REJECTED:
      return "bad";
    case JobState.VALIDATING:
    case JobState.PREPARING:
    case JobState.RUNNING:
    case JobState.EVALUATING:
      return "active";
    default:
      return "quiet";
  }
}
