// What is asked of a cluster, and its objects as far as they are looked at. `open-cluster.ts` asks a real one.

export interface ObjectMeta {
  readonly name: string;
  readonly uid?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly creationTimestamp?: Date | string;
  /** Set while it is being removed. */
  readonly deletionTimestamp?: Date | string;
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

/** A `batch/v1` Job. */
export interface ClusterJob {
  readonly metadata: ObjectMeta;
  readonly spec?: { readonly suspend?: boolean };
  readonly status?: { readonly conditions?: readonly Condition[]; readonly failed?: number };
}

interface ContainerStatus {
  readonly name: string;
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly terminated?: { readonly exitCode: number; readonly reason?: string; readonly message?: string };
  };
}

/** A pod of a Job. */
export interface ClusterPod {
  readonly metadata: ObjectMeta;
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly Condition[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

/** The Jobs of one queue and their pods. */
export interface ClusterObjects {
  readonly jobs: readonly ClusterJob[];
  readonly pods: readonly ClusterPod[];
}

/**
 * The part of a cluster in which the pods of one queue's jobs run.
 *
 * Every call throws AlbertError: unavailable (CLUSTER_UNREACHABLE) where no answer came, precondition (CLUSTER_REFUSED) with the
 * cluster's own words where it said no.
 */
export interface Cluster {
  readonly namespace: string;
  /** Everything of the queue that is there now. */
  read(): Promise<ClusterObjects>;
  /** Creates a Job, unless one of its name exists. @returns whether it did */
  create(job: object): Promise<boolean>;
  /** Removes a Job and its pods; one of the same name that is another stays. */
  remove(job: ClusterJob): Promise<void>;
  /** Ends what follows the cluster. */
  close(): void;
}

/** Says of which queue a Job or pod is: the names of its Jobs begin so. */
export const QUEUE_LABEL = "albert-serve/queue";
/** Says of which job a Job or pod is. */
export const JOB_LABEL = "albert-serve/job";
/** Says to Kueue in which of its queues a Job stands. */
export const KUEUE_LABEL = "kueue.x-k8s.io/queue-name";
