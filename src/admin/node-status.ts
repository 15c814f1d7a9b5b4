import type { z } from "zod";
import type {
  applicationStatus,
  deploymentStatus,
  executorReport,
  nodeStatus,
  replicaStatus,
  versionStatus,
} from "./status-schema.ts";

/** A node as it is now. */
export type NodeStatus = z.infer<typeof nodeStatus>;

export type ApplicationStatus = z.infer<typeof applicationStatus>;

export type VersionStatus = z.infer<typeof versionStatus>;

export type DeploymentStatus = z.infer<typeof deploymentStatus>;

export type ExecutorReport = z.infer<typeof executorReport>;

export type ReplicaStatus = z.infer<typeof replicaStatus>;
