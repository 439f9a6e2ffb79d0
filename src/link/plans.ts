import type { Fields } from "../http/fields.ts";
import { Plan, type PlanParts, POSITION_HEADER } from "./plan.ts";
import type { Role, Roles } from "./roles.ts";

export interface PlansOptions extends PlanParts {
  /** The link's own name, whatever position a request gives it. */
  readonly name: string;
  /** The services known now; they may be others later. */
  readonly roles: () => Roles;
  /** Believe {@link POSITION_HEADER}. */
  readonly trustPosition: boolean;
}

/** The plans of a link: it plays one role, or each that a request asks it for. */
export class Plans {
  readonly #options: PlansOptions;
  #roles: Roles;
  #made = new Map<Role, Plan>();
  /** The one that was asked for last, by its name in the header. */
  #last: Plan | null = null;
  #own: Plan | undefined;

  constructor(options: PlansOptions) {
    this.#options = options;
    this.#roles = options.roles();
  }

  /**
   * The plan for a request: the header at `positionIndex` says who the receiver is; empty or absent (-1), it is itself.
   * `undefined`: nobody knows that name.
   */
  find(fields: Fields, positionIndex: number): Plan | undefined {
    const roles = this.#options.roles();
    if (roles !== this.#roles) this.#renew(roles);
    if (positionIndex !== -1 && this.#options.trustPosition) {
      const start = fields.valueStart(positionIndex);
      const end = fields.valueEnd(positionIndex);
      if (this.#last !== null && isName(this.#last.name, fields.bytes, start, end)) return this.#last;
      // All lines of it, should there be several.
      const name = fields.get(POSITION_HEADER);
      if (name !== null && name !== "") return this.#findNamed(name);
    }
    this.#own ??= this.#planOf(roles.findOwn(this.#options.name));
    return this.#own;
  }

  #findNamed(name: string): Plan | undefined {
    const plan = this.#planOf(this.#roles.find(name));
    if (plan !== undefined) this.#last = plan;
    return plan;
  }

  #planOf(role: Role | undefined): Plan | undefined {
    if (role === undefined) return undefined;
    const known = this.#made.get(role);
    if (known !== undefined) return known;
    const made = new Plan(role, this.#options);
    this.#made.set(role, made);
    return made;
  }

  #renew(roles: Roles): void {
    this.#roles = roles;
    this.#made = new Map();
    this.#last = null;
    this.#own = undefined;
  }
}

function isName(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (name[i] !== bytes[start + i]) return false;
  return true;
}
