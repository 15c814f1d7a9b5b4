/** A replica that is wanted. */
export interface WantedReplica {
  /** What it is: copies of one thing have one key. */
  readonly key: string;
  readonly deployment: string;
  readonly index: number;
  readonly memoryMb: number;
}

/** An executor that can take replicas. */
export interface Lane {
  readonly id: string;
  readonly memoryMb: number;
  readonly replicas: readonly { readonly deployment: string; readonly memoryMb: number }[];
}

export interface Placement {
  readonly key: string;
  readonly deployment: string;
  readonly index: number;
  readonly lane: string;
  /** One line for people: why there. */
  readonly reason: string;
}

/**
 * Spreads the replicas of one deployment over different lanes, then packs by fewest replicas, then by name, so that
 * the same wishes give the same placement. A deployment gets two replicas on one lane only when it wants more replicas
 * than there are lanes; nothing is placed on a lane whose memory it would exceed.
 */
export function place(wanted: readonly WantedReplica[], lanes: readonly Lane[]): Placement[] {
  const state = lanes.map((lane) => ({
    id: lane.id,
    limitMb: lane.memoryMb,
    usedMb: lane.replicas.reduce((sum, replica) => sum + replica.memoryMb, 0),
    deployments: lane.replicas.map((replica) => replica.deployment),
  }));
  const placements: Placement[] = [];
  for (const replica of wanted) {
    const siblings = (lane: (typeof state)[number]) =>
      lane.deployments.filter((deployment) => deployment === replica.deployment).length;
    const fitting = state.filter((lane) => lane.usedMb + replica.memoryMb <= lane.limitMb);
    fitting.sort(
      (a, b) =>
        siblings(a) - siblings(b) || a.deployments.length - b.deployments.length || (a.id < b.id ? -1 : 1),
    );
    const best = fitting[0];
    if (best === undefined) continue;
    placements.push({
      key: replica.key,
      deployment: replica.deployment,
      index: replica.index,
      lane: best.id,
      reason:
        siblings(best) > 0
          ? `more replicas than lanes: ${best.id} has the fewest of this deployment`
          : `no replica of this deployment on ${best.id}, which hosts ${best.deployments.length}`,
    });
    best.usedMb += replica.memoryMb;
    best.deployments.push(replica.deployment);
  }
  return placements;
}
