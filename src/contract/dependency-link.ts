/** How often one service called another, in the format of `GET /api/v2/dependencies`. */
export interface DependencyLink {
  readonly parent: string;
  readonly child: string;
  readonly callCount: number;
  /** Absent when 0. */
  readonly errorCount?: number;
}
