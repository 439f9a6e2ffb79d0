/** What `GET /api/topology` says of a service. */
export interface TopologyService {
  readonly name: string;
  readonly calls: readonly { readonly service: string; readonly probability: number }[];
  /** Lines for people. */
  readonly behavior: readonly string[];
}

export interface TopologyAnswer {
  readonly name: string;
  readonly entry: string;
  readonly services: readonly TopologyService[];
}
