/** A service in the answer of `GET /api/topology`. */
interface TopologyService {
  readonly name: string;
  readonly calls: readonly { readonly service: string; readonly probability: number }[];
  /** Lines for people. */
  readonly behavior: readonly string[];
}

/** The answer of `GET /api/topology`. */
export interface TopologyAnswer {
  readonly name: string;
  readonly entry: string;
  readonly services: readonly TopologyService[];
}
